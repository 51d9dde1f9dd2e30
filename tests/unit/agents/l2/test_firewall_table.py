"""Edits of the firewall's tables: what a change costs in commands, and what goes when nothing leads to it any more."""

from __future__ import annotations

import ipaddress

from netsched.agents.l2.firewall_table import BRIDGE, Edit, Tables, digests
from netsched.agents.l2.group import EGRESS, INGRESS
from tests.fakes.content import NETWORK, uuid

GROUP, SET = f"in-{uuid(1, 7)}", f"members4-{uuid(2, 7)}"
RULES = [f"ip saddr @{SET} accept", "return"]


def filled() -> Tables:
    """A port whose group refers to a set with a member."""
    edit = Edit(Tables())
    edit.has_set(SET)
    edit.chain(GROUP, RULES)
    edit.fill(SET, frozenset({ipaddress.ip_network("10.0.0.1")}))
    edit.chain("to-1", [f"jump {GROUP}", "drop"])
    edit.seat(INGRESS, "tap1", "to-1", NETWORK)
    return edit.tables


def test_a_hundred_ports_of_the_same_groups_are_elements() -> None:
    edit = Edit(filled())
    for number in range(100):
        edit.chain("to-1", [f"jump {GROUP}", "drop"])
        edit.seat(INGRESS, f"tap-{number}", "to-1", NETWORK)
    assert len(edit.commands) == 100 and all("sent_to" in command for command in edit.commands)


def test_a_rule_changes_its_chain_and_a_member_one_element() -> None:
    edit = Edit(filled())
    edit.chain(GROUP, RULES)
    edit.sweep()
    assert edit.commands == [] and not edit.narrowed
    edit.chain(GROUP, ["tcp dport 80 accept", *RULES])
    assert {command.split()[-1] for command in edit.commands} == {GROUP} | {
        f'"{digest}"' for digest in digests(["tcp dport 80 accept", *RULES])
    }
    assert len(edit.commands) == 4 and not edit.narrowed
    edit = Edit(edit.tables)
    edit.fill(SET, frozenset(map(ipaddress.ip_network, ("10.0.0.1", "10.0.0.2"))))
    assert edit.commands == [f"add element {BRIDGE} {SET} {{ 10.0.0.2/32 }}"] and not edit.narrowed
    edit.fill(SET, frozenset({ipaddress.ip_network("10.0.0.2")}))
    assert edit.narrowed


def test_what_ceases_to_be_allowed_is_noticed() -> None:
    edit = Edit(filled())
    edit.chain(GROUP, ["return"])
    assert edit.narrowed
    edit = Edit(filled())
    edit.seat(EGRESS, "tap1", "by-1", NETWORK)  # was not filtered
    assert edit.narrowed


def test_nothing_is_swept_that_something_leads_to() -> None:
    edit = Edit(filled())
    edit.fill(SET, frozenset())
    edit.chain(GROUP, [])
    edit.sweep()
    assert set(edit.tables.chains) == {GROUP, "to-1"} and not edit.tables.sets
    edit.seat(INGRESS, "tap1", None, NETWORK)
    edit.sweep()
    assert not edit.tables.chains and not edit.tables.sets
    assert edit.commands[-1] == f"delete chain {BRIDGE} {GROUP}"
