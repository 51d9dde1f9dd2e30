"""Run by the test in a process of its own: many commands of the stock client, whose imports take most of a second.

Reads a JSON list of argument lists from stdin, writes a JSON list of [exit code, stdout, stderr].
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

from openstackclient import shell


def run(arguments: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.main(arguments)
        except SystemExit as ended:  # by argparse
            code = 2 if ended.code is None else int(ended.code)
    return int(code or 0), out.getvalue(), err.getvalue()


if __name__ == "__main__":
    json.dump([run(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
