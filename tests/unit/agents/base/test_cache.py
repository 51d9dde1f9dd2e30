"""Each rule for a notice and for a pull's answer, by itself."""

from __future__ import annotations

import pytest

from netsched.agents.base.cache import KEPT, Cache, Copy
from netsched.rpc.agent import Lagging, Notice, PullAnswer, PulledScope, PullRequest
from tests.fakes.clock import FakeClock

S = "network/n"


def port(id_: str) -> dict[str, str]:
    return {"id": id_}


def notice(previous: int, position: int, epoch: int = 3, **more: object) -> Notice:
    fields: dict[str, object] = {"incarnation": "A", "upserts": {"port": [port(f"p{position}")]}, **more}
    return Notice(scope=S, epoch=epoch, previous=previous, position=position, **fields)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cache(clock: FakeClock) -> Cache:
    """Holds S at epoch 3 and position 10, and nothing is open."""
    cache = Cache(clock)
    cache.meet("A")
    cache.lagging([Lagging(scope=S, epoch=3, position=10)])
    answer(cache, ask(cache), epoch=3, position=10, upserts={"port": [port("p10")]})
    return cache


def ask(cache: Cache, only_suspects: bool = False) -> PullRequest:
    items = cache.take(100, only_suspects)
    return PullRequest(agent_type="t", host="h", incarnation=cache.incarnation, items=items)


def answer(cache: Cache, request: PullRequest, incarnation: str = "A", **told: object) -> set[str]:
    pulled = PullAnswer(incarnation=incarnation, scopes=[PulledScope(scope=S, **told)])  # type: ignore[arg-type]
    return cache.pulled(request, pulled)


def ports(cache: Cache) -> set[str] | None:
    copy = cache.get(S)
    return None if copy is None else set(copy.content["port"])


def pulls_in(cache: Cache, clock: FakeClock) -> float:
    return round(cache.due(only_suspects=False) - clock.monotonic(), 3)


NEVER = float("inf")


def test_the_next_delta_is_applied(cache: Cache, clock: FakeClock) -> None:
    assert cache.notices([notice(10, 11, removals={"port": ["p10"]})]) == {S}
    assert ports(cache) == {"p11"}
    assert pulls_in(cache, clock) == NEVER


def test_a_delta_from_further_back_is_applied(cache: Cache) -> None:
    assert cache.notices([notice(7, 12)]) == {S}
    assert ports(cache) == {"p10", "p12"}


@pytest.mark.parametrize(
    "old", [notice(9, 10), notice(10, 11, epoch=2), notice(10, 11, epoch=2, released=True), notice(3, 4)]
)
def test_what_is_old_is_dropped(cache: Cache, clock: FakeClock, old: Notice) -> None:
    assert cache.notices([old]) == set()
    assert ports(cache) == {"p10"}
    assert pulls_in(cache, clock) == NEVER


@pytest.mark.parametrize(
    ("new", "delay"),
    [
        (notice(10, 11, epoch=4), 0.0),
        (notice(10, 11, incarnation="B"), 0.0),
        (notice(10, 11, upserts=None), 0.0),
        (notice(11, 12), 0.5),
    ],
)
def test_what_does_not_fit_is_pulled(cache: Cache, clock: FakeClock, new: Notice, delay: float) -> None:
    assert cache.notices([new]) == set()
    assert ports(cache) == {"p10"}
    assert pulls_in(cache, clock) == delay


def test_an_overtaken_notice_closes_the_gap(cache: Cache, clock: FakeClock) -> None:
    cache.notices([notice(11, 12), notice(12, 13)])
    clock.advance(0.4)
    assert cache.notices([notice(10, 11)]) == {S}
    assert ports(cache) == {"p10", "p11", "p12", "p13"}
    assert pulls_in(cache, clock) == NEVER


def test_a_gap_that_closes_does_not_cancel_a_pull_wanted_for_another_reason(cache: Cache, clock: FakeClock) -> None:
    cache.notices([notice(11, 12)])
    cache.lagging([Lagging(scope=S, epoch=4, position=12)])
    cache.notices([notice(10, 11)])
    assert pulls_in(cache, clock) == 0.0


def test_release_removes_at_my_epoch_or_above(cache: Cache) -> None:
    assert cache.notices([notice(10, 11, released=True, upserts=None)]) == {S}
    assert cache.get(S) is None
    assert cache.released_epoch(S) == 3
    # It may come again, and must then be acknowledged again.
    assert cache.notices([notice(10, 11, released=True, upserts=None)]) == {S}


def test_a_notice_for_a_scope_without_a_copy_is_pulled(cache: Cache, clock: FakeClock) -> None:
    fresh = Cache(clock)
    fresh.meet("A")
    assert fresh.notices([notice(0, 1)]) == set()
    assert pulls_in(fresh, clock) == 0.0


def test_notices_during_a_pull_are_kept_and_replayed(cache: Cache, clock: FakeClock) -> None:
    cache.notices([notice(10, 11, upserts=None)])
    request = ask(cache)
    assert cache.notices([notice(11, 12)]) == set()
    assert cache.take(100, only_suspects=False) == []  # one pull at a time
    assert answer(cache, request, epoch=3, position=11, full=False, upserts={"port": [port("p11")]}) == {S}
    assert ports(cache) == {"p10", "p11", "p12"}
    assert pulls_in(cache, clock) == NEVER


def test_a_release_during_a_pull_wins_over_its_answer(cache: Cache) -> None:
    cache.lagging([Lagging(scope=S, epoch=3, position=11)])
    request = ask(cache)
    cache.notices([notice(11, 12, released=True, upserts=None)])
    answer(cache, request, epoch=3, position=11, full=False)
    assert cache.get(S) is None


def test_a_binding_during_a_pull_that_says_not_held(cache: Cache, clock: FakeClock) -> None:
    cache.suspect([S])
    request = ask(cache)
    cache.notices([notice(11, 12, epoch=5)])
    assert answer(cache, request, held=False) == {S}
    assert pulls_in(cache, clock) == 0.0


def test_kept_notices_are_bounded(cache: Cache, clock: FakeClock) -> None:
    for n in range(KEPT + 1):
        cache.notices([notice(20 + n, 21 + n)])
    assert pulls_in(cache, clock) == 0.0


def test_a_current_copy_that_is_not_yet_in_force_is_not_pulled(cache: Cache, clock: FakeClock) -> None:
    cache.lagging([Lagging(scope=S, epoch=3, position=10)])
    assert pulls_in(cache, clock) == NEVER


def test_suspects_are_pulled_first_and_alone(cache: Cache) -> None:
    cache.lagging([Lagging(scope="network/new", epoch=1, position=11)])
    cache.suspect([S])
    request = ask(cache)
    assert [item.scope for item in request.items] == [S]
    assert cache.take(100, only_suspects=False) == []
    answer(cache, request, held=False)
    assert [item.scope for item in ask(cache).items] == ["network/new"]


def test_without_a_lease_nothing_new_is_pulled(cache: Cache) -> None:
    cache.lagging([Lagging(scope="network/new", epoch=1, position=11)])
    assert cache.take(100, only_suspects=True) == []


def test_a_failed_pull_comes_again(cache: Cache, clock: FakeClock) -> None:
    cache.notices([notice(10, 11, upserts=None)])
    ask(cache)
    cache.pull_failed([S], 2.0)
    assert pulls_in(cache, clock) == 2.0


def test_a_scope_that_the_answer_forgot_comes_again(cache: Cache, clock: FakeClock) -> None:
    cache.notices([notice(10, 11, upserts=None)])
    cache.pulled(ask(cache), PullAnswer(incarnation="A", scopes=[]))
    assert pulls_in(cache, clock) == 0.5


def test_another_incarnation_makes_positions_worthless_but_keeps_content(cache: Cache) -> None:
    assert cache.meet("B")
    assert cache.get(S) == Copy(0, 0, {"port": {"p10": port("p10")}})
    request = ask(cache)
    assert (request.incarnation, request.items[0].position) == ("B", 0)
    answer(cache, request, "B", epoch=1, position=2, upserts={"port": [port("x")]})
    assert ports(cache) == {"x"}


def test_an_answer_to_a_pull_of_the_old_incarnation_is_not_believed(cache: Cache, clock: FakeClock) -> None:
    cache.notices([notice(10, 11, upserts=None)])
    request = ask(cache)
    cache.meet("B")
    assert answer(cache, request, "A", epoch=3, position=11, full=False) == set()
    assert cache.incarnation == "B"
    assert cache.due(only_suspects=True) < NEVER


def test_a_pull_may_tell_of_the_new_incarnation_first(cache: Cache) -> None:
    cache.notices([notice(10, 11, upserts=None)])
    answer(cache, ask(cache), "B", epoch=1, position=4, upserts={"port": [port("x")]})
    assert (cache.incarnation, ports(cache)) == ("B", {"x"})


def test_what_the_disk_held_is_a_suspect(clock: FakeClock) -> None:
    cache = Cache(clock)
    cache.load("A", {S: Copy(3, 10, {})})
    assert cache.unsettled()
    assert ask(cache, only_suspects=True).items[0].position == 10


def test_a_request_is_named_once_and_not_before_its_change_is_there(cache: Cache, clock: FakeClock) -> None:
    cache.notices(
        [notice(10, 11, requests=["req-1"]), notice(10, 11, requests=["req-1"]), notice(12, 13, requests=["req-2"])]
    )
    assert cache.finish_requests(S, 10) == []
    assert cache.finish_requests(S, 11) == ["req-1"]  # the other one waits for what lies between
    clock.advance(1)
    answer(cache, ask(cache), epoch=3, position=12, full=False, requests=["req-3"])
    assert cache.finish_requests(S, 11) == []
    assert sorted(cache.finish_requests(S, 13)) == ["req-2", "req-3"]
    assert cache.finish_requests(S, 13) == []
    cache.notices([notice(11, 12, requests=["req-3"]), notice(13, 14, released=True, requests=["req-4"])])
    assert cache.finish_requests(S, -1) == ["req-4"]


# Copies from before a restart

OTHER = "network/m"


@pytest.fixture
def loaded(clock: FakeClock) -> Cache:
    """S and another scope from the disk, to be pulled in 1.5 s."""
    cache = Cache(clock)
    cache.load("A", {S: Copy(3, 10, {}), OTHER: Copy(1, 4, {})}, delay=1.5)
    return cache


def test_what_was_loaded_and_is_current_is_not_pulled(loaded: Cache, clock: FakeClock) -> None:
    assert pulls_in(loaded, clock) == 1.5 and loaded.unsettled()
    loaded.confirm(current=True)
    assert pulls_in(loaded, clock) == NEVER and not loaded.unsettled()


def test_what_was_loaded_and_is_not_current_is_pulled_now(loaded: Cache, clock: FakeClock) -> None:
    loaded.confirm(current=False)
    assert pulls_in(loaded, clock) == 0.0
    assert {item.scope for item in ask(loaded).items} == {S, OTHER}


def test_what_something_else_was_said_of_is_pulled_all_the_same(loaded: Cache) -> None:
    loaded.notices([notice(11, 12)])  # a gap
    loaded.suspect([OTHER])
    loaded.confirm(current=True)
    assert loaded.unsettled()
    assert [item.scope for item in ask(loaded, only_suspects=True).items] == [OTHER]


def test_a_copy_that_moved_on_by_a_notice_is_as_current_as_before(loaded: Cache, clock: FakeClock) -> None:
    loaded.notices([notice(10, 11)])
    loaded.confirm(current=True)
    assert pulls_in(loaded, clock) == NEVER


def test_a_pull_that_is_under_way_is_not_called_off(loaded: Cache, clock: FakeClock) -> None:
    clock.advance(1.5)
    request = ask(loaded)
    loaded.confirm(current=True)
    assert loaded.unsettled()
    loaded.pulled(request, PullAnswer(incarnation="A", scopes=[PulledScope(scope=s, held=False) for s in (S, OTHER)]))
    assert loaded.scopes() == set() and not loaded.unsettled()


def test_many_scopes_that_only_ask_for_changes_fit_in_one_pull(clock: FakeClock) -> None:
    cache = Cache(clock)
    known = {f"network/known-{n}": Copy(1, 5, {}) for n in range(300)}
    unknown = {f"network/unknown-{n}": Copy(0, 0, {}) for n in range(300)}
    cache.load("A", known | unknown)
    items = cache.take(10, only_suspects=True)
    assert (sum(not item.position for item in items), sum(item.position > 0 for item in items)) == (10, 200)


def test_what_a_bounded_answer_leaves_out_is_asked_for_at_once(loaded: Cache, clock: FakeClock) -> None:
    clock.advance(1.5)
    answer(loaded, ask(loaded), epoch=3, position=11, full=False)
    assert pulls_in(loaded, clock) == 0.0
    assert [item.scope for item in ask(loaded).items] == [OTHER]
