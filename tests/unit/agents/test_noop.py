"""The driver that touches nothing keeps the Driver's promises all the same."""

from __future__ import annotations

from netsched.agents.base.noop import NoopDriver
from tests.fakes.content import NetworkContent


def test_what_was_applied_is_there_and_what_was_removed_is_not() -> None:
    driver, content = NoopDriver(), NetworkContent()
    assert driver.check(content.scope, None)
    driver.apply(content.scope, None)
    assert not driver.check(content.scope, content.content)
    driver.apply(content.scope, content.content)
    driver.apply(content.scope, content.content)
    assert driver.actual() == {content.scope}
    assert driver.check(content.scope, content.content) and not driver.check(content.scope, None)
    driver.apply(content.scope, None)
    assert driver.actual() == set()


def test_it_says_what_an_agent_of_its_kind_would() -> None:
    content = NetworkContent()
    port = content.port(1)
    driver = NoopDriver(lambda wanted: {("port", id_): "ACTIVE" for id_ in wanted["port"]})
    driver.apply(content.scope, content.content)
    assert driver.states(content.scope, content.content) == {("port", port["id"]): "ACTIVE"}
    assert NoopDriver().states(content.scope, content.content) == {}
