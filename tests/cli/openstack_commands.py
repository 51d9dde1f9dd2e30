"""A process of the tests in which the stock client runs many commands: its imports take more than a second.

Each line of stdin is a JSON object: `environment`, all of it, and `commands`, lists of arguments. For each line it
writes one with a JSON list of [exit code, stdout, stderr]. It ends with its stdin.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys

from openstackclient import shell
from openstackclient.common.clientmanager import ClientManager
from osc_lib.clientmanager import ClientCache


def forget() -> None:
    """The client keeps its sessions with classes, since its process is one user's."""
    for cls in ClientManager.__mro__:
        for value in vars(cls).values():
            if isinstance(value, ClientCache):
                value._handle = None


def run(arguments: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = int(shell.main(arguments) or 0)
        except SystemExit as ended:  # argparse does
            code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        forget()
        os.environ.clear()
        os.environ.update(asked["environment"])
        print(json.dumps([run(arguments) for arguments in asked["commands"]]), flush=True)
