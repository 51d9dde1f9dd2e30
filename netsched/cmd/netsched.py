"""`netsched`: the operator's command, and `netsched standalone`, which the command's layer must not import."""

from __future__ import annotations

import sys


def main() -> int:
    # Imported late: a server's libraries would make every `netsched agent list` wait for a second.
    if sys.argv[1:2] == ["standalone"]:
        from netsched.cmd import standalone

        return int(standalone.main(sys.argv[2:]) or 0)
    from netsched.cli import shell

    return shell.main()


if __name__ == "__main__":
    sys.exit(main())
