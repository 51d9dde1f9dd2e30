"""What list, show, create, set and delete have in common; a resource's file adds its columns and options.

Options that stand for an attribute have the attribute's name as `dest` and no default, so that what was not given is
not in the namespace, and not in the request either.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from cliff import command, lister, show

from netsched.cli.client import Client, CommandFailed, connected, key, words
from netsched.cli.formats import Addresses, Alive, Gateway, Structure, UpDown, with_examples

ABSENT = argparse.SUPPRESS
WAIT, LONGEST_WAIT = 10, 50  # s; a connection has a limit of its own, somewhat above
# Everything else that is no plain value becomes a Structure.
_IN_LISTS: Mapping[str, Callable[[Any], Any]] = {"fixed_ips": Addresses, "external_gateway_info": Gateway}
_FORMATTERS: Mapping[str, Callable[[Any], Any]] = {"alive": Alive, "admin_state_up": UpDown}


@dataclass(frozen=True)
class Kind:
    """A collection of the API. `columns` and `more` (with --long) map attributes to titles of `list`; `order` sorts."""

    singular: str
    collection: str
    columns: Mapping[str, str]
    more: Mapping[str, str]
    name_attribute: str = "name"
    order: tuple[str, ...] = ("name",)
    delivered: bool = True  # to agents, so that one can wait for it

    @property
    def words(self) -> str:
        """What it is called in commands."""
        return words(self.collection)

    def table(self, objects: Sequence[Mapping[str, Any]], long: bool) -> tuple[list[str], list[list[Any]]]:
        chosen = {**self.columns, **self.more} if long else self.columns
        return list(chosen.values()), [[_cell(name, one.get(name)) for name in chosen] for one in objects]


def _cell(attribute: str, value: Any) -> Any:
    return _IN_LISTS[attribute](value) if attribute in _IN_LISTS else shown(attribute, value)


def shown(attribute: str, value: Any) -> Any:
    if attribute in _FORMATTERS:
        return _FORMATTERS[attribute](value)
    return Structure(value) if value is None or isinstance(value, dict | list) else value


def details(found: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    """For `show`: all attributes; tenant_id only repeats project_id."""
    names = sorted(name for name in found if name != "tenant_id")
    return names, [shown(name, found[name]) for name in names]


def given(arguments: argparse.Namespace, *attributes: str) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in attributes if hasattr(arguments, name)}


class List(lister.Lister):
    """Objects of one kind."""

    kind: ClassVar[Kind]
    filters: ClassVar[tuple[str, ...]] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        parser.add_argument("--long", action="store_true", help="More columns.")
        self.add_filters(parser)
        return parser

    def add_filters(self, parser: argparse.ArgumentParser) -> None:
        """Options whose `dest` is in `filters`."""

    def resolve(self, client: Client, filters: dict[str, Any]) -> dict[str, Any]:
        """Names to ids."""
        return filters

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        client = connected(self)
        filters = self.resolve(client, given(parsed_args, *self.filters))
        found = client.list(f"/{self.kind.collection}", key(self.kind.collection), **filters)
        found.sort(key=lambda one: [str(one.get(attribute)) for attribute in self.kind.order])
        return self.kind.table(found, parsed_args.long)


class Show(show.ShowOne):
    """One object."""

    kind: ClassVar[Kind]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        add_reference(parser, self.kind)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[Any]]:
        return details(find(connected(self), self.kind, parsed_args))


def add_wait(parser: argparse.ArgumentParser, kind: Kind) -> None:
    if kind.delivered:
        text = f"Wait until it is in force on the agents, SECONDS at most [{WAIT}]; fails if it is not by then."
        parser.add_argument("--wait", type=_some_seconds, nargs="?", const=WAIT, metavar="SECONDS", help=text)


def seconds(text: str) -> int:
    """An argparse type."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number of seconds")
    return int(text)


def _some_seconds(text: str) -> int:
    if seconds(text) > LONGEST_WAIT:
        raise argparse.ArgumentTypeError(
            f"{text} s are more than {LONGEST_WAIT}; to wait longer: netsched wait, with --timeout"
        )
    return int(text)


def waiting(one: command.Command, arguments: argparse.Namespace) -> Client:
    """The client, whose changes wait as --wait asks; the shell says if that was in vain."""
    client = connected(one)
    client.wait = getattr(arguments, "wait", None)
    return client


class Create(show.ShowOne):
    """Makes one object and shows it."""

    kind: ClassVar[Kind]
    has_name: ClassVar[bool] = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        if self.has_name:
            parser.add_argument("name", metavar="NAME", help=f"Name of the {self.kind.words}.")
        self.add_options(parser)
        add_wait(parser, self.kind)
        return parser

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        raise NotImplementedError

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        raise NotImplementedError

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[Any]]:
        client = waiting(self, parsed_args)
        name = {"name": parsed_args.name} if self.has_name else {}
        body = {self.kind.singular: {**name, **self.body(client, parsed_args)}}
        made = client.post(f"/{self.kind.collection}", body)[self.kind.singular]
        if client.wait is not None:  # the answer is as it was when it was made: DOWN, in most cases
            made = client.get(f"/{self.kind.collection}/{made['id']}", self.kind.singular)
        return details(made)


class Set(command.Command):
    """Changes attributes of one object."""

    kind: ClassVar[Kind]
    verb: ClassVar[str] = "set"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        add_reference(parser, self.kind)
        self.add_options(parser)
        add_wait(parser, self.kind)
        return parser

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        raise NotImplementedError

    def body(self, client: Client, arguments: argparse.Namespace) -> dict[str, Any]:
        raise NotImplementedError

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = waiting(self, parsed_args)
        body = self.body(client, parsed_args)
        if not body:
            raise CommandFailed(f"Nothing to change was given. See: netsched {self.kind.words} {self.verb} --help")
        found = find(client, self.kind, parsed_args)
        client.put(f"/{self.kind.collection}/{found['id']}", {self.kind.singular: body})


class Delete(command.Command):
    """Deletes objects. Goes on after one that fails, and fails then."""

    kind: ClassVar[Kind]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = with_examples(super().get_parser(prog_name))
        add_reference(parser, self.kind, nargs="+")
        add_wait(parser, self.kind)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client, failures = waiting(self, parsed_args), []
        for reference in parsed_args.reference:
            try:
                one = argparse.Namespace(**{**vars(parsed_args), "reference": reference})
                client.delete(f"/{self.kind.collection}/{find(client, self.kind, one)['id']}")
            except CommandFailed as failure:
                failures.append(failure)
        if failures:
            raise CommandFailed("\n".join(map(str, failures)), failures[0].exit_code)


def add_reference(parser: argparse.ArgumentParser, kind: Kind, **changes: Any) -> None:
    """The positional argument that says which object is meant; agents, whose name is a host, may need their type."""
    text = f"Id or {kind.name_attribute.rpartition('_')[2]} of the {kind.words}."
    parser.add_argument("reference", metavar=kind.words.upper().replace(" ", "-"), help=text, **changes)
    if kind.name_attribute == "host":
        parser.add_argument("--type", help="Agent type, where several agents are on the host: 'DHCP agent'.")


def find(client: Client, kind: Kind, arguments: argparse.Namespace) -> dict[str, Any]:
    return client.find(
        kind.collection, arguments.reference, kind.name_attribute, agent_type=getattr(arguments, "type", None)
    )
