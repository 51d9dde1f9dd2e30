"""Brakes by command and in the status."""

from __future__ import annotations

import pytest

from netsched.db import brake
from netsched.model.brake import Brake
from tests.cli.deployment import Deployment


def engage(deployment: Deployment, zone: str) -> None:
    database = deployment.server.database
    with database.read() as connection:
        now = brake.time(connection)
    on = Brake(zone, "DHCP agent", engaged_at=now, silent=5, total=8, population=("a",))
    assert database.write(lambda tx: brake.store(tx, None, on))


@pytest.mark.parametrize("zone", ["z1", "rack 7 north"])
def test_a_brake_is_listed_and_released(deployment: Deployment, zone: str) -> None:
    assert deployment.run("brake", "list", "-f", "json").json == []
    refused = deployment.run("brake", "release", "--zone", zone)
    assert refused.code == 1 and f"No brake is on in zone {zone}" in refused.err
    engage(deployment, zone)
    (listed,) = deployment.run("brake", "list", "-f", "json").json
    assert (listed["Zone"], listed["State"], listed["Silent"], listed["Of"]) == (zone, "engaged", 5, 8)
    assert deployment.run("status", "-f", "json").json["brakes"][0]["zone"] == zone
    (released,) = deployment.run("brake", "release", "--zone", zone, "-f", "json").json
    assert released["State"] == "released" and released["Released by"]["request_id"].startswith("req-")
    (again,) = deployment.run("brake", "release", "--zone", zone, "--undo", "-f", "json").json
    assert (again["State"], again["Released by"]) == ("engaged", None)
