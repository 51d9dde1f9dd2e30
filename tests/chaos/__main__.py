"""The command: python -m tests.chaos --help, as tools/chaos.sh runs it."""

from __future__ import annotations

import argparse
import sys

from tests.chaos import run
from tests.chaos.stage import DATABASES

BREAKS = ("cast-before-commit", "no-epoch-check", "no-brake", "pull-content-first")  # of breaks.py


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/chaos.sh", description="Faults in real processes, and a checker.")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--short", action="store_true", help="2 minutes of faults and traffic, on one database")
    length.add_argument("--long", action="store_true", help="20 minutes (or --minutes), on PostgreSQL, then on MariaDB")
    parser.add_argument("--minutes", type=float, help="instead of 2 or 20")
    parser.add_argument("--seed", type=int, help="repeat the faults and choices of that run")
    parser.add_argument("--database", choices=sorted(DATABASES), help="only this one; PostgreSQL for --short")
    parser.add_argument("--break", dest="spoiled", choices=BREAKS, default="", help="spoil the product in this way")
    parser.add_argument("--broken", action="store_true", help="run each of the spoiled builds; all must be caught")
    parser.add_argument("--calm", action="store_true", help="no faults at all: is the traffic itself right?")
    chosen = parser.parse_args()
    seed = chosen.seed if chosen.seed is not None else run.new_seed()
    minutes = chosen.minutes or (20.0 if chosen.long else 2.0)
    databases = [chosen.database] if chosen.database else ["postgresql", *(["mariadb"] if chosen.long else [])]
    if chosen.broken:
        return run.broken(BREAKS, seed, databases[0], minutes)
    settings = [run.Settings(seed, database, 60 * minutes, chosen.spoiled, chosen.calm) for database in databases]
    return 0 if all(run.run(one).passed for one in settings) else 1


if __name__ == "__main__":
    sys.exit(main())
