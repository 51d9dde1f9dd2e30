"""driver_process with the L2 driver: its host name, a state directory that it has no use for, its settings as JSON."""

from __future__ import annotations

import json
import sys

from netsched.agents.l2.compute import Settings
from netsched.agents.l2.driver import L2Driver
from netsched.clock import SystemClock
from tests.netns import driver_process


def main(host: str, state_dir: str, settings: str) -> None:
    driver_process.serve(L2Driver(Settings(host=host, **json.loads(settings)), SystemClock()))


if __name__ == "__main__":
    main(*sys.argv[1:])
