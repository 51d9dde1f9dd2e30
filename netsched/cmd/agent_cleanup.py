"""netsched-agent-cleanup: remove everything that an agent left on a retired node, and nothing else."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

from oslo_config import cfg

from netsched import errors
from netsched.agents import cleanup
from netsched.cmd import l2_agent, start

ABOUT = """Remove namespaces, processes, devices and files that agents left on this host. Stop the agents first.
Example: netsched-agent-cleanup --dry-run"""
CLI = [cfg.BoolOpt("dry-run", default=False, help="Say what would be removed, and remove nothing.")]


def main(argv: Sequence[str] | None = None) -> int:
    conf = start.configure("netsched-agent-cleanup", ABOUT, argv, CLI)
    try:
        removed = cleanup.cleanup(pathlib.Path(conf.agent.state_dir), l2_agent.settings_from(conf).wiring, conf.dry_run)
    except errors.NetschedError as error:
        return start.die(str(error))
    for what in removed:
        print(what)
    print(f"{len(removed)} things {'would be' if conf.dry_run else 'were'} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
