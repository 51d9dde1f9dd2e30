"""Grants to everybody on networks as servers of the release before write them: by two columns, without the rows.

They count at once, since lists read the columns. Their rows are put right here, now and then, while such servers may
run beside ours.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from netsched.db import network as networks
from netsched.db import rbac
from netsched.db.network import network
from netsched.db.rbac import rbac_policy
from netsched.db.transaction import Transaction

BATCH = 1000


def mend(tx: Transaction, batch: int = BATCH) -> int:
    """Returns how many grants were not as the columns say. Three statements where all are, whatever there is."""
    found = 0
    for column, action in networks.TO_ALL.items():
        ids = sorted(_differing(tx, column, action, batch))
        if ids:
            networks.lock(tx, ids)
            differing = _differing(tx, column, action, batch) & set(ids)
            owners = sa.select(network.c.id, network.c.project_id).where(network.c.id.in_(differing))
            to_all = [(row.id, row.project_id) for row in tx.execute(owners.where(network.c[column] == sa.true()))]
            rbac.unshare(tx, differing - {id_ for id_, _ in to_all}, action)
            rbac.share(tx, networks.TYPE, to_all, action)
            found += len(differing)
    return found + _orphans(tx, batch)


def _differing(tx: Transaction, column: str, action: str, limit: int) -> set[str]:
    says = network.c[column] == sa.true()
    granted = rbac.granted(network.c.id, networks.TYPE, action, None)
    differs = sa.or_(sa.and_(says, ~granted), sa.and_(~says, granted))
    return set(tx.execute(sa.select(network.c.id).where(differs).limit(limit)).scalars())


def _orphans(tx: Transaction, limit: int) -> int:
    """Grants on networks that such a server has deleted."""
    gone = ~sa.exists().where(network.c.id == rbac_policy.c.object_id)
    of_networks = sa.select(rbac_policy.c.object_id).where(rbac_policy.c.object_type == networks.TYPE, gone).distinct()
    ids: Collection[str] = list(tx.execute(of_networks.limit(limit)).scalars())
    rbac.forget(tx, ids)
    return len(ids)
