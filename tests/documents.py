"""Commands as the documentation prints them, for tests that run them: what operators copy is what was tried."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def commands(page: str, beginning: str) -> list[list[str]]:
    """The words after the program of each command in an indented block of docs/`page`.rst that begins so, in order."""
    text = (DOCS / f"{page}.rst").read_text().replace("\\\n", " ")
    found = [shlex.split(line)[1:] for line in text.splitlines() if re.match(rf" +{re.escape(beginning)}\b", line)]
    assert found, f"docs/{page}.rst has no command {beginning}"
    return found
