"""A server's delivery side over a database, with objects in a dictionary and a recording hand on the agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netsched.clock import SystemClock
from netsched.db import base, change, interest
from netsched.db.session import Database
from netsched.model import checksum, scope
from netsched.rpc import agent as rpc
from netsched.server.services.delivery import DeliveryService, DeliverySettings
from netsched.server.services.heartbeat import HeartbeatService, HeartbeatSettings, agent_id
from netsched.server.services.pace import Pace
from netsched.server.services.reading import own_scope
from netsched.server.services.trust import Trust


class Recorder:
    """What was cast to agents, in order. `away` makes every cast fail as a broker that is down would."""

    def __init__(self) -> None:
        self.said: list[rpc.BeatAnswer] = []
        self.told: list[tuple[str, rpc.Notice]] = []
        self.messages = 0
        self.away: Exception | None = None

    def answers(self, address: str, answers: list[rpc.BeatAnswer]) -> None:
        self._cast()
        self.said.extend(answers)

    def notices(self, address: str, notices: dict[str, list[rpc.Notice]]) -> None:
        self._cast()
        self.told.extend((to, notice) for to, many in notices.items() for notice in many)

    def _cast(self) -> None:
        if self.away is not None:
            raise self.away
        self.messages += 1


class Objects(dict[str, dict[str, Any]]):
    """Objects of one kind by id, each with a "network_id": a Reader without tables."""

    def by_ids(self, connection: Any, ids: Sequence[str]) -> dict[str, Any]:
        return {id_: self[id_] for id_ in ids if id_ in self}

    def in_scopes(self, connection: Any, scope_ids: Sequence[str]) -> dict[str, list[Any]]:
        return {id_: [o for o in self.values() if o["network_id"] == id_] for id_ in scope_ids}


class Ground:
    def __init__(self, database: Database, pace: Pace | None = None, **delivery: str) -> None:
        database.write(lambda tx: change.start(tx, "incarnation-1"))
        self.database = database
        self.cast = Recorder()
        self.networks, self.subnets, self.ports = Objects(), Objects(), Objects()
        kinds = {"network": self.networks, "subnet": self.subnets, "port": self.ports}
        readers = {("network", kind): own_scope(source) for kind, source in kinds.items()}
        self.delivery = DeliveryService(database, readers, self.cast, DeliverySettings(**delivery))
        self.pace = pace or Pace()
        self.trust = Trust(SystemClock(), self.pace)
        settings = HeartbeatSettings(agree_on={"mtu": 1450})
        self.heartbeats = HeartbeatService(database, self.delivery, self.cast, self.trust, self.pace, settings)

    def beat(self, host: str, **fields: Any) -> rpc.BeatAnswer:
        """One beat through queue and batch; its answer."""
        values = {"agent_type": "DHCP agent", "binary": "dhcp", "address": f"dhcp.{host}", **fields}
        self.heartbeats.receive(rpc.Beat(host=host, **values))
        self.heartbeats.write_batch()
        return self.cast.said[-1]

    def applied(self, host: str, *in_force: tuple[str, int, int], **fields: Any) -> rpc.BeatAnswer:
        """A beat that says so, honest checksum included. `in_force`: all it has, as (scope, epoch, position)."""
        told = [rpc.Applied(scope=s, epoch=e, position=p) for s, e, p in in_force]
        has = [item for item in in_force if item[2] >= 0]
        return self.beat(host, applied=told, count=len(has), checksum=checksum.of(has), **fields)

    def grant(self, host: str, network: str, epoch: int = 1, state: str = interest.HELD) -> None:
        row = {
            "agent_id": agent_id("DHCP agent", host),
            "scope": scope.key("network", network),
            "epoch": epoch,
            "state": state,
            "cause": "binding",
            "position": 0,
            "behind_since": base.now(),
        }
        columns = ("epoch", "state", "behind_since")
        self.database.write(lambda tx: base.upsert(tx.connection, interest.interest, [row], *columns))

    def change_port(self, port: str, network: str, operation: str = "update") -> None:
        if operation == "delete":
            self.ports.pop(port, None)
        else:
            self.ports[port] = {"id": port, "network_id": network, "name": operation}
        self.database.write(lambda tx: tx.log("port", port, operation, scope.key("network", network)))
