"""netsched-manage: the database's schema and retention, for whoever installs and upgrades."""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Sequence

from netsched import errors
from netsched.cmd import start
from netsched.db import change, schema
from netsched.db.session import Database

EXAMPLES = """examples:
  netsched-manage --config-file /etc/netsched/netsched.conf db upgrade
  netsched-manage db current
  netsched-manage db purge

After restoring the database from a dump, before the servers start:
  netsched-manage db new-incarnation
"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="netsched-manage",
        description="Look after netsched's database.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config-file", action="append", default=[], help="netsched.conf; may be repeated")
    parser.add_argument("--config-dir", action="append", default=[], help="directory of *.conf files")
    parser.add_argument("--debug", action="store_true", help="log more")
    parser.add_argument("--log-file", help="log there instead of to standard error")
    parser.add_argument("--use-journal", action="store_true", help="log to the journal")
    subject = parser.add_subparsers(dest="subject", required=True, metavar="db")
    verbs = subject.add_parser("db", help="the database").add_subparsers(dest="verb", required=True, metavar="verb")
    for verb, (_, text) in VERBS.items():
        verbs.add_parser(verb, help=text, description=text)
    options = parser.parse_args(argv)
    conf = start.configure("netsched-manage", parser.description or "", _passed_on(options))
    try:
        VERBS[options.verb][0](Database(conf.database.connection, statement_timeout=None), conf)
    except errors.NetschedError as error:
        return start.die(str(error))
    return 0


def _passed_on(options: argparse.Namespace) -> list[str]:
    """The options that oslo.config and oslo.log know, in their own form."""
    passed = [f"--config-file={path}" for path in options.config_file]
    passed += [f"--config-dir={path}" for path in options.config_dir]
    passed += ["--debug"] if options.debug else []
    passed += ["--use-journal"] if options.use_journal else []
    return passed + ([f"--log-file={options.log_file}"] if options.log_file else [])


def _upgrade(database: Database, conf: start.Conf) -> None:
    before = schema.current(database)
    after = schema.upgrade(database)
    print(f"schema {after}, as wanted" if before == after else f"schema {before or 'none'} -> {after}")


def _current(database: Database, conf: start.Conf) -> None:
    actual, wanted = schema.current(database), schema.wanted()
    print(f"schema {actual or 'none'}, this release wants {wanted}")


def _history(database: Database, conf: start.Conf) -> None:
    for revision, text in schema.history():
        print(f"{revision}  {text}")


def _purge(database: Database, conf: start.Conf) -> None:
    # The import waits until here: `db upgrade` must work where nothing else does yet.
    from netsched.server import wiring

    schema.check(database)
    gone = wiring.upkeep(conf, database).purge(lambda what, count: print(f"  {what}: {count} ...", flush=True))
    print("deleted: " + ", ".join(f"{count} {what}" for what, count in gone.items()))


def _new_incarnation(database: Database, conf: start.Conf) -> None:
    schema.check(database)
    incarnation = str(uuid.uuid4())
    database.write(lambda tx: change.start(tx, incarnation))
    print(f"incarnation {incarnation}: agents will fetch everything anew")


VERBS = {
    "upgrade": (_upgrade, "create the tables, or bring them to what this release wants"),
    "current": (_current, "which schema the database has, and which one is wanted"),
    "history": (_history, "all schema revisions, oldest first"),
    "purge": (_purge, "delete what is older than the retention settings say, in batches"),
    "new-incarnation": (_new_incarnation, "after a restore from a dump: agents must not believe their positions"),
}


if __name__ == "__main__":
    sys.exit(main())
