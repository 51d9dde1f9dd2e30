"""driver_process with the L3 driver: its host name, a state directory, its settings as JSON."""

from __future__ import annotations

import json
import pathlib
import sys

from netsched.agents.l3.driver import L3Driver
from netsched.clock import SystemClock
from tests.netns import driver_process


def main(host: str, state_dir: str, settings: str) -> None:
    driver_process.serve(L3Driver(host, pathlib.Path(state_dir), SystemClock(), **json.loads(settings)))


if __name__ == "__main__":
    main(*sys.argv[1:])
