"""A release's migrations only add: what servers of the release before say to the database, it goes on understanding."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from netsched.db import agent, binding, change, network, rbac, rbac_mend, schema
from netsched.db.session import Database
from netsched.model.query import Query
from netsched.server.services.upkeep import Process, Retention, UpkeepService

BEFORE = "0002"  # the revision of the release before this one
NOW = datetime.datetime(2026, 11, 21, 12, 0, 0)

RESERVED = ("binary", "change", "count", "load")  # by one database or another

# As that release writes them, except for its databases' ways to say "or update": never edited, replaced by the next.
INSERTS = {
    "agent": "INSERT INTO agent (id, agent_type, host, {binary}, address, zone, version, admin_state_up, description, "
    "created_at, started_at, boot_id, capabilities, configurations, settings_mismatch, ports_due_at, ports_due_again) "
    "VALUES (:agent, 'DHCP agent', :host, 'netsched-dhcp-agent', 'a', 'nova', '1.0', :true, NULL, :now, :now, 'b', "
    """'{{"hosts":["network"]}}', '{{}}', '{{}}', NULL, :false)""",
    "agent_beat": "INSERT INTO agent_beat (agent_id, received_at, sent_at, lease, sequence, {load}, {count}, checksum, "
    "last_error) VALUES (:agent, :now, :now, 40.0, 1, '{{}}', 0, 0, NULL)",
    "agent_claim": "INSERT INTO agent_claim (agent_id, resource_class, capacity, used) "
    "VALUES (:agent, 'network', 5, 1)",
    "network": "INSERT INTO network (id, project_id, name, description, created_at, updated_at, revision_number, "
    "admin_state_up, status, shared, availability_zone_hints, mtu, subnet_changes) "
    "VALUES (:network, 'p', 'n', '', :now, :now, 0, :true, 'ACTIVE', :false, '[]', 1450, 0)",
    "everybody's network": "INSERT INTO network (id, project_id, name, description, created_at, updated_at, "
    "revision_number, admin_state_up, status, shared, availability_zone_hints, mtu, subnet_changes, router_external) "
    "VALUES (:open, 'p', 'n', '', :now, :now, 0, :true, 'ACTIVE', :true, '[]', 1450, 0, :true)",
    "binding": "INSERT INTO binding (resource_type, resource_id, slot, agent_type, agent_id, epoch, state, extra, "
    "demand, zone_hints, requires, alternates, hold_until, reason, error, bound_at, ports_due_at) VALUES ('network', "
    ":network, 0, 'DHCP agent', :agent, 1, 'bound', :false, '{{}}', '[]', NULL, '[]', NULL, NULL, NULL, :now, NULL)",
    "change": "INSERT INTO {change} (scope, kind, object_id, operation, created_at, sent) "
    "VALUES (:scope, 'network', :network, 'create', :now, :false)",
}
UPDATES = (
    "UPDATE agent SET address = 'c', version = '1.0', capabilities = '{{}}' WHERE id = :agent",
    "UPDATE agent_beat SET received_at = :now, sent_at = :now, lease = 45.0, sequence = 2 WHERE agent_id = :agent",
    "UPDATE binding SET agent_id = NULL, epoch = epoch + 1, state = 'unbound', error = 'x' WHERE agent_id = :agent",
)


def to(database: Database, revision: str) -> None:
    config = schema._config()
    with database.engines[0].begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture
def upgraded(empty_database_url: str) -> Iterator[Database]:
    """A database of the release before, with a row in each table, that was brought to this one."""
    database = Database(empty_database_url)
    to(database, BEFORE)
    database.write(lambda tx: change.start(tx, "first"))
    say(database, "old", *INSERTS.values())
    schema.upgrade(database)
    yield database
    database.dispose()


def say(database: Database, name: str, *statements: str) -> None:
    quote = database.engines[0].dialect.identifier_preparer.quote_identifier
    values = {"agent": f"a-{name}", "host": name, "network": f"n-{name}", "scope": f"network/n-{name}"}
    values["open"] = f"o-{name}"
    given: dict[str, Any] = {**values, "now": NOW, "true": True, "false": False}

    def work(tx: Any) -> None:
        for statement in statements:
            text = sa.text(statement.format(**{word: quote(word) for word in RESERVED}))
            tx.execute(text, {name: given[name] for name in text._bindparams})

    database.write(work)


def test_the_statements_of_the_release_before_still_work(upgraded: Database) -> None:
    say(upgraded, "new", *INSERTS.values(), *UPDATES)
    schema.check(upgraded)
    with upgraded.read() as connection:
        agents = {one["host"]: one for one in agent.list_(connection)}
        assert [agents[name]["state"] for name in ("new", "old")] == ["dead", "dead"]  # long ago, and readable
        assert change.backlog(connection)["unstamped"] == 2
        slots = {row.resource_id: row for row in connection.execute(sa.select(binding.binding))}
    assert {id_: (slot.state, slot.epoch) for id_, slot in slots.items()} == {
        "n-new": ("unbound", 2),
        "n-old": ("bound", 1),
    }
    stamped = upgraded.write(change.stamp)
    assert {one.scope for one in stamped} == {"network/n-new", "network/n-old"}


def grants(database: Database) -> set[tuple[str, str]]:
    """Of which networks what is granted to everybody, by the rows."""
    table = rbac.rbac_policy.c
    with database.read() as connection:
        rows = connection.execute(sa.select(table.object_id, table.action, table.project_id, table.target_tenant)).all()
    assert {(row.project_id, row.target_tenant) for row in rows} <= {("p", "*")}
    return {(row.object_id, row.action) for row in rows}


def test_what_was_granted_by_columns_is_granted_by_rows(upgraded: Database) -> None:
    """At once what was there, and in time what the release before goes on granting, taking back and deleting."""
    both = {rbac.SHARED, rbac.EXTERNAL}
    assert grants(upgraded) == {("o-old", action) for action in both}
    assert upgraded.write(rbac_mend.mend) == 0
    say(upgraded, "new", INSERTS["network"], INSERTS["everybody's network"])
    with upgraded.read() as connection:
        seen = {one["id"]: one for one in network.list_(connection, Query(visible_to="q"))}
    assert set(seen) == {"o-old", "o-new"} and all(one["shared"] and one["router:external"] for one in seen.values())
    say(upgraded, "old", "UPDATE network SET shared = :false WHERE id = :open")
    assert upgraded.write(rbac_mend.mend) == 3
    assert grants(upgraded) == {("o-old", rbac.EXTERNAL), *(("o-new", action) for action in both)}
    say(upgraded, "new", "DELETE FROM network WHERE id = :open")
    UpkeepService(upgraded, Process("", "", "manage", "", NOW), Retention()).purge()  # as every server does
    assert grants(upgraded) == {("o-old", rbac.EXTERNAL)}


def tables(database: Database) -> dict[str, Any]:
    """By table: its columns (type, may be null, has a default), and what restricts its rows."""
    inspector = sa.inspect(database.engines[0])
    found: dict[str, Any] = {}
    for name in inspector.get_table_names():
        columns = {
            column["name"]: (str(column["type"]), column["nullable"], column["default"] is not None)
            for column in inspector.get_columns(name)
        }
        unique = [one["column_names"] for one in inspector.get_unique_constraints(name)]
        foreign = [one["constrained_columns"] for one in inspector.get_foreign_keys(name)]
        found[name] = (columns, sorted(unique), sorted(foreign), inspector.get_check_constraints(name))
    return found


def test_the_migration_only_adds(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    to(database, BEFORE)
    before = tables(database)
    to(database, "head")
    after = tables(database)
    for name, (columns, *restrictions) in before.items():
        added = after[name][0].keys() - columns.keys()  # null in rows of the release before, and nulls are distinct
        after[name][1][:] = [unique for unique in after[name][1] if not added.issuperset(unique)]
        assert list(after[name][1:]) == restrictions, f"{name}: rows of the release before may be refused"
        for column, facts in columns.items():
            assert after[name][0].pop(column) == facts, f"{name}.{column} is not what it was"
        for column, (_, nullable, default) in after[name][0].items():
            assert nullable or default, f"{name}.{column}: an INSERT of the release before would fail"
    database.dispose()
