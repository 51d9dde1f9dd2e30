"""How Sphinx builds this documentation."""

project = "netsched"
copyright = "the netsched contributors, Apache License 2.0"
html_theme = "alabaster"
html_theme_options = {"description": "A networking control plane", "page_width": "1040px"}
exclude_patterns = ["_build"]
nitpicky = True
