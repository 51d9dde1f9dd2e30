#!/bin/sh
# The demo: set everything up, then run it. Options (--help, --keep) go to the demo itself.
set -eu
cd "$(dirname "$0")/.."

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "The demo makes network namespaces and bridges of its own, which needs root: run it as root, or install sudo." >&2
        exit 1
    }
    as_root=sudo
fi
tools/setup.sh demo
exec $as_root .venv/bin/python -m netsched.cmd.demo "$@"
