"""The cache on disk, read by the next life."""

from __future__ import annotations

import pathlib

import pytest

from netsched.agents.base.cache import Cache, Copy
from netsched.agents.base.store import DirectoryStore, MemoryStore, Saver, Store
from netsched.rpc.agent import Lagging, PullAnswer, PulledScope, PullRequest
from tests.fakes.clock import FakeClock

S = "network/a"


@pytest.fixture(params=["directory", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Store:
    return DirectoryStore(tmp_path / "wanted") if request.param == "directory" else MemoryStore()


def test_what_was_saved_is_loaded(store: Store) -> None:
    copy = Copy(3, 7, {"port": {"p": {"id": "p", "name": "\u00e4\n"}}})
    store.meet("A")
    store.save(S, copy, "A")
    store.save("network/b", copy, "A")
    store.remove("network/b")
    store.remove("network/never")
    assert store.load() == ("A", {S: copy})


def test_a_copy_of_another_incarnation_keeps_only_its_content(store: Store) -> None:
    store.save(S, Copy(3, 7, {"port": {}}), "A")
    store.meet("B")
    assert store.load() == ("B", {S: Copy(0, 0, {"port": {}})})


def test_a_broken_file_costs_only_itself(tmp_path: pathlib.Path) -> None:
    store = DirectoryStore(tmp_path)
    store.meet("A")
    store.save(S, Copy(1, 1, {}), "A")
    (tmp_path / "network%2Fbroken.json").write_text('{"scope": "network/br')
    (tmp_path / "network%2Fother.json").write_text('["not", "ours"]')
    (tmp_path / "network%2Fpartial.json").write_text('{"scope": "network/x"}')
    (tmp_path / "network%2Fa.new").write_text("torn")
    assert store.load() == ("A", {S: Copy(1, 1, {})})


def test_a_scope_cannot_leave_the_directory(tmp_path: pathlib.Path) -> None:
    store = DirectoryStore(tmp_path / "wanted")
    store.save("network/../../../evil", Copy(1, 1, {}), "A")
    assert [p.parent.name for p in tmp_path.rglob("*.json")] == ["wanted"]


class Full(MemoryStore):
    full = True

    def save(self, scope: str, copy: Copy, incarnation: str) -> None:
        if self.full:
            raise OSError("no space left on device")
        super().save(scope, copy, incarnation)


def test_a_full_disk_is_tried_again() -> None:
    clock = FakeClock()
    cache = Cache(clock)
    cache.meet("A")
    cache.lagging([Lagging(scope=S, epoch=1, position=1)])
    request = PullRequest(agent_type="t", host="h", incarnation="A", items=cache.take(1, only_suspects=False))
    cache.pulled(request, PullAnswer(incarnation="A", scopes=[PulledScope(scope=S, epoch=1, position=1)]))
    store = Full()
    saver = Saver(store, cache, clock)
    saver.meet()
    saver.later(S)
    saver.save()
    assert saver.due() > clock.monotonic() + 5
    store.full = False
    saver.save()
    assert store.load() == ("A", {S: Copy(1, 1, {})})
    assert saver.due() == float("inf")


def test_changes_are_gathered_but_removals_are_not(tmp_path: pathlib.Path) -> None:
    clock = FakeClock()
    saver = Saver(MemoryStore(), Cache(clock), clock)
    saver.later(S)
    assert saver.due() == pytest.approx(clock.monotonic() + 1.0)
    saver.later(S, at_once=True)
    assert saver.due() == clock.monotonic()
