"""Interests that an agent registers by itself, for kinds of agent that the server does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from netsched.db import base
from netsched.db.holder import Filter
from netsched.db.interest import HELD, interest
from netsched.db.port import port
from netsched.db.subnet import subnet
from netsched.model import scope

# Kinds that live inside a network: where one of them is, so is its network's scope.
_INSIDE = {"port": port, "subnet": subnet}


@dataclass(frozen=True)
class Wish:
    """Objects of a type: one of them (`id`), or all in a network. `operations` empty means all."""

    type: str
    id: str | None
    network: str | None
    operations: tuple[str, ...] = ()


def register(connection: sa.Connection, agent_id: str, wishes: Sequence[Wish]) -> None:
    """Make the agent's registered interests what it wishes for. An object that does not exist interests nobody."""
    wanted = _wanted(connection, wishes)
    own = sa.and_(interest.c.agent_id == agent_id, interest.c.cause == "registered")
    connection.execute(sa.delete(interest).where(own, interest.c.scope.not_in(sorted(wanted))))
    rows = [
        {
            "agent_id": agent_id,
            "scope": scope_,
            "epoch": 0,
            "state": HELD,
            "cause": "registered",
            "filter": filter_,
            "position": 0,
            "behind_since": base.now(),
        }
        for scope_, filter_ in sorted(wanted.items())
    ]
    base.upsert(connection, interest, rows, "filter")


def _wanted(connection: sa.Connection, wishes: Sequence[Wish]) -> dict[str, Filter]:
    """The scopes in which the wished things are, each with what the agent wants of it."""
    networks = _networks(connection, wishes)
    wanted: dict[str, Filter] = {}
    for wish in wishes:
        if wish.network is not None:
            key = scope.key("network", wish.network)
        elif wish.id is not None and wish.type in _INSIDE:
            if wish.id not in networks:
                continue
            key = scope.key("network", networks[wish.id])
        elif wish.id is not None:
            key = scope.key(wish.type, wish.id)
        else:
            continue
        _add(wanted.setdefault(key, {}), wish)
    return wanted


def _add(filter_: Filter, wish: Wish) -> None:
    """Widen the filter: a wish for all of a kind outweighs one for some of it."""
    ids = [wish.id] if wish.id is not None else []
    if wish.type not in filter_:
        filter_[wish.type] = {"operations": list(wish.operations), "ids": ids}
        return
    both = filter_[wish.type]
    both["ids"] = sorted({*both["ids"], *ids}) if both["ids"] and ids else []
    both["operations"] = (
        sorted({*both["operations"], *wish.operations}) if both["operations"] and wish.operations else []
    )


def _networks(connection: sa.Connection, wishes: Sequence[Wish]) -> dict[str, str]:
    """{id: network id} of the wished ports and subnets; one query per kind."""
    found: dict[str, str] = {}
    for kind, table in _INSIDE.items():
        ids = sorted(w.id for w in wishes if w.type == kind and w.id is not None and w.network is None)
        if ids:
            rows = connection.execute(sa.select(table.c.id, table.c.network_id).where(table.c.id.in_(ids)))
            found.update({row.id: row.network_id for row in rows})
    return found
