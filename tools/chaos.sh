#!/bin/sh
# Faults injected into real processes under load, and a check of what must hold afterwards:
#
#   tools/chaos.sh [--short|--long] [--seed N] [--database postgresql|mariadb] [--break NAME]
#   tools/chaos.sh --broken    builds that are wrong on purpose, each of which must be caught
#
# Two minutes by default; --help has the rest. Wants root, as PostgreSQL and MariaDB run under their own users.
set -eu
cd "$(dirname "$0")/.."
tools/setup.sh test
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "The databases run under their own users: run it as root." >&2; exit 1; }
    as_root="sudo -E"
    export PYTHONDONTWRITEBYTECODE=1
fi
exec $as_root .venv/bin/python -m tests.chaos "$@"
