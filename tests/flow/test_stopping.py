"""The end of a server, in one thread: what has reached it is dealt with, and nobody waits for it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from netsched.db import change
from netsched.db.server import server as server_table
from netsched.rpc.direct import Envelope
from netsched.server.wiring import Server
from tests.flow.world import INTERVAL, World


def test_beats_are_written_and_answered_and_changes_sent(tmp_path: Path) -> None:
    world = World(tmp_path)
    network = world.network()
    world.run(3 * INTERVAL)
    (server,) = world.servers
    assert rows(world) == 1
    sent: Counter[str] = Counter()

    def record(envelope: Envelope) -> list[Envelope]:
        sent[envelope.method] += 1
        return [envelope]

    # A beat of each agent arrives, and a change is committed. No worker runs any more.
    world.clock.advance(INTERVAL)
    for node in world.nodes.values():
        assert node.agent is not None
        node.agent.tick()
    world.transport.deliver_all()
    port = world.port(network)
    waiting = count(server, "received") - count(server, "written")
    assert waiting >= 3
    world.transport.route = record
    server.stop()
    assert count(server, "received") == count(server, "written")
    assert (sent["answers"], sent["notices"]) == (3, 1)
    with world.database.read() as connection:
        assert change.backlog(connection) == {"unstamped": 0, "unsent": 0, "oldest_unsent_age": 0.0}
    assert rows(world) == 0
    world.transport.deliver_all()
    (holder,) = world.holders(network)
    node = world.nodes[holder]
    assert node.agent is not None
    node.agent.tick()
    assert any(port in content["port"] for content in node.machine.scopes.values())


def count(server: Server, outcome: str) -> int:
    return int(server.heartbeats.beats.read().get((outcome,), 0))


def rows(world: World) -> int:
    """Servers that `netsched server list` shows."""
    with world.database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(server_table)).scalar_one())
