"""`netsched server list`, `netsched status`, `netsched extension list`: how the service itself is."""

from __future__ import annotations

import argparse
from typing import Any

from cliff import lister, show
from cliff.columns import FormattableColumn

from netsched.cli.client import connected
from netsched.cli.formats import Age, Structure, with_examples


class ServerList(lister.Lister):
    """List the server's processes.

    Age is the time since the last sign of life.

    examples:
      netsched server list
      netsched server list -f json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        parser.add_argument("--long", action="store_true", help="More columns.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        client = connected(self)
        titles = {"host": "Host", "role": "Role", "version": "Version", "age": "Age"}
        if parsed_args.long:
            titles = {"id": "ID", **titles, "started_at": "Started", "workers": "Workers"}
        return list(titles.values()), [
            [_shown(name, one.get(name)) for name in titles] for one in client.list("/servers", "servers")
        ]


class Workers(FormattableColumn[Any]):
    """One a line, what is wrong last."""

    def human_readable(self) -> str:
        return "\n".join(self._line(one) for one in self._value)

    @staticmethod
    def _line(one: dict[str, Any]) -> str:
        line = f"{one['name']:<10} {one['runs']} runs, last {one['last_run'] or 'never'}"
        if one["failures"]:
            line += f"; {one['failures']} failed"
        return f"{line}; fails now: {one['last_error']}" if one["last_error"] else line


class Brakes(FormattableColumn[Any]):
    """One a line, as one says it."""

    def human_readable(self) -> str:
        told = "{zone}, {agent_type}: {state} since {since}, {silent} of {total} silent"
        return "\n".join(told.format_map(one) for one in self._value) or "none"


class Doubt(FormattableColumn[Any]):
    def human_readable(self) -> str:
        return self._value or "none"


class Status(show.ShowOne):
    """Show how the server is.

    Its workers, database and broker, the brakes that are on, and what of the change log is still to be told to agents.
    Doubt: why this server does not believe that silent agents are dead; while there is one, it moves nothing.

    examples:
      netsched status
      netsched status -f json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return with_examples(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[Any]]:
        client = connected(self)
        status = client.get("/status", "status")
        return list(status), [_COLUMNS.get(name, Structure)(value) for name, value in status.items()]


class ExtensionList(lister.Lister):
    """List the extensions of the Networking API that this server has.

    examples:
      netsched extension list
      netsched extension list -f value -c Alias
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return with_examples(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        client = connected(self)
        found = client.list("/extensions", "extensions")
        rows = [[one.get("alias"), one.get("name"), one.get("description")] for one in found]
        return ["Alias", "Name", "Description"], sorted(rows)


_COLUMNS = {"workers": Workers, "brakes": Brakes, "doubt": Doubt, "age": Age}


def _shown(name: str, value: Any) -> Any:
    if name in _COLUMNS:
        return _COLUMNS[name](value)
    return Structure(value) if isinstance(value, dict | list) else value
