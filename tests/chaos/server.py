"""netsched-server as it is, unless the environment names a way to spoil it: python -m tests.chaos.server ARGUMENTS."""

from __future__ import annotations

import os
import sys

from netsched.cmd import server
from tests.chaos import breaks

if __name__ == "__main__":
    if spoiled := os.environ.get("NETSCHED_CHAOS_BREAK"):
        breaks.install(spoiled)
    sys.exit(server.main())
