"""Gabbi's side of the API under test: it makes fixtures from classes by their names, and one application at import."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gabbi import fixture

from tests.api.ground import Api, database_in


class Current:
    """The API of the YAML file that is being run: what the fixture makes and the application asks."""

    api: Api


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return Current.api.application(environ, start_response)


class FreshApi(fixture.GabbiFixture):
    """Three agents: two for DHCP in different zones, and one of a kind that the server does not know."""

    def start_fixture(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        Current.api = Api(database_in(Path(self._directory.name)))
        Current.api.agent("node-1", zone="east")
        Current.api.agent("node-2", zone="west")
        Current.api.agent("node-1", agent_type="Firewall agent", binary="firewall")

    def stop_fixture(self) -> None:
        Current.api.database.dispose()
        self._directory.cleanup()


class FreshApiWithL3(FreshApi):
    """And two L3 agents, and one that connects hosts."""

    def start_fixture(self) -> None:
        super().start_fixture()
        Current.api.agent("node-1", agent_type="L3 agent", zone="east")
        Current.api.agent("node-2", agent_type="L3 agent", zone="north")
        Current.api.agent("node-2", agent_type="Linux bridge agent", zone="east")
