"""`netsched`: finds the command, connects when it first asks the server, prints errors, chooses the exit code."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from typing import Any

from cliff import app, commandmanager

from netsched.cli import connection
from netsched.cli.client import Client

DESCRIPTION = """The operator's view of a netsched deployment.

Without options it talks to http://127.0.0.1:9696, where `netsched standalone` listens.

examples:
  netsched standalone                start a small deployment here (see netsched standalone --help)
  netsched agent list                who is there, and who is alive
  netsched explain network NAME      where a network is served, and why there
  netsched explain router NAME       where a router is served, and why there
  netsched status                    how the server is
  netsched --os-cloud prod agent list -f json
"""


class Shell(app.App):
    def __init__(self, **streams: Any) -> None:
        self.failure: BaseException | None = None
        self._client: Client | None = None
        super().__init__(
            description=DESCRIPTION,
            version=_version(),
            command_manager=commandmanager.CommandManager("netsched.cli"),
            deferred_help=True,  # else `netsched agent list --help` were the help of all commands
            **streams,
        )

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = {
            "prog": "netsched",
            "formatter_class": argparse.RawDescriptionHelpFormatter,
            **(argparse_kwargs or {}),
        }
        parser = super().build_option_parser(description, version, kwargs)
        connection.add_options(parser, os.environ)
        return parser

    @property
    def client(self) -> Client:
        """Made at its first use: help and completion need no server."""
        if self._client is None:
            self._client = connection.connect(self.options)
        return self._client

    def clean_up(self, cmd: Any, result: int, err: BaseException | None) -> None:
        self.failure = err

    def run_subcommand(self, argv: list[str]) -> int:
        result: int = super().run_subcommand(argv)
        late = self._client.late if self._client is not None else []
        if late:
            listed = "\n".join(f"  {who}" for said in late for who in said.split("; "))
            self.stderr.write(f"It is done, but not yet in force:\n{listed}\n")
        return int(getattr(self.failure, "exit_code", result or bool(late)))


def main(argv: list[str] | None = None, **streams: Any) -> int:
    """Runs one command; `streams` are cliff's stdin, stdout and stderr. Returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    # Without a command cliff would start a shell of its own, which nobody asked for.
    return Shell(**streams).run(arguments or ["--help"])


def _version() -> str:
    try:
        return importlib.metadata.version("netsched")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
