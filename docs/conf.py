"""How Sphinx builds this documentation."""

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))

extensions = ["api_reference"]
project = "netsched"
copyright = "the netsched contributors, Apache License 2.0"
html_theme = "alabaster"
html_theme_options = {"description": "A networking control plane", "page_width": "1040px"}
exclude_patterns = ["_build"]
nitpicky = True
