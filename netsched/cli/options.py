"""Options that several resources share, and arguments of the form ``subnet=S,ip-address=A``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping

from netsched.cli.resource import ABSENT


def add_common(parser: argparse.ArgumentParser, enable: bool = True) -> None:
    """--description, and --enable or --disable."""
    parser.add_argument("--description", default=ABSENT, help="Free text.")
    if enable:
        add_switch(parser, "admin_state_up", ("--enable", "--disable"), "Administrative state.")


def add_switch(
    parser: argparse.ArgumentParser, attribute: str, names: tuple[str, str], what: str | tuple[str, str]
) -> None:
    """Two options that exclude each other: the attribute true, the attribute false. `what`: of both, or of each."""
    group = parser.add_mutually_exclusive_group()
    texts = (what, what) if isinstance(what, str) else what
    for name, value, text in zip(names, (True, False), texts, strict=True):
        group.add_argument(name, dest=attribute, action="store_const", const=value, default=ABSENT, help=text)


def add_port_security(parser: argparse.ArgumentParser, text: str) -> None:
    """--enable-port-security or --disable-port-security."""
    names = ("--enable-port-security", "--disable-port-security")
    add_switch(parser, "port_security_enabled", names, text)


def add_project(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", dest="project_id", default=ABSENT, help="Id of the owning project.")


def add_zone_hints(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--availability-zone-hint",
        dest="availability_zone_hints",
        action="append",
        default=ABSENT,
        metavar="ZONE",
        help="Zone in which it may be served (can be repeated).",
    )


def pairs(keys: Mapping[str, str], required: tuple[str, ...] = ()) -> Callable[[str], dict[str, str]]:
    """An argparse type: ``key=value,...`` to {attribute: value}. `keys` maps what is typed to the API's attributes.

    A comma ends a value only before one of the keys, so values may have commas.
    """
    known = "|".join(map(re.escape, keys))
    form = ",".join(f"{key}=..." for key in keys)

    def parse(text: str) -> dict[str, str]:
        found = {}
        for part in re.split(f",(?=(?:{known})=)", text):
            key, separator, value = part.partition("=")
            if not separator or key not in keys:
                raise argparse.ArgumentTypeError(f"'{part}' is none of {form}")
            found[keys[key]] = value
        missing = [key for key in required if keys[key] not in found]
        if missing:
            raise argparse.ArgumentTypeError(f"'{text}' lacks {', '.join(missing)}; the form is {form}")
        return found

    return parse
