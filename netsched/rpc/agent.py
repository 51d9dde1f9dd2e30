"""The interface between agents and server: beats and pulls one way, answers and notices the other.

How a beat is judged: each answer carries the server's time T (the database's clock). The agent remembers T and its
own CLOCK_BOOTTIME at receipt; the next beats echo T plus the time elapsed since. That estimate is when the beat was
sent, in the database's time, whatever the agent's own clock says; it errs only towards the past. A beat without an
echo opens the conversation and proves nothing.

How a copy stays current: a notice is a delta with a predecessor. See agents/base/cache.py for the rules.

Version history:

    1.0  first
    1.1  beats name the incarnation and interval that the agent goes by, and sum up its copies after a restart; answers
         say whether those are current; notices and pulls name the requests that changed something

A beat says the highest version that its agent speaks; servers keep it with the agent and send no higher one. Within 1.x
that takes no code: readers ignore fields that they do not know, and fields that are added have defaults. A message that
older agents would misread is cast in `ToAgent` in the form that the recipient's version has; there is none yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from netsched import clock, errors
from netsched.rpc import echo, transport
from netsched.tally import Tally

VERSION = "1.1"

UNTRIED = "nothing sent yet"
QUIET = 60.0  # s without a message, after which the last one says little about the broker

Object = dict[str, Any]  # in the REST API's format

# Many agents' beats are stored together. What fits no column is refused here, or one beat would fail all of them.
NO_NUL = r"^[^\x00]*$"  # which PostgreSQL's text cannot hold
Word = Annotated[str, Field(max_length=16, pattern=NO_NUL)]
Name = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
Long = Annotated[str, Field(max_length=255, pattern=NO_NUL)]
Text = Annotated[str, AfterValidator(lambda text: text.replace("\x00", ""))]
Whole = Annotated[int, Field(ge=-1, lt=2**62)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Interest(_Message):
    """An agent of a kind that the server does not know says what it must hear of.

    `type` with `id`: that object; `type` with `network`: objects of the type in that network.
    `operations`: create, update, delete; empty means all.
    """

    type: Name
    id: Name | None = None
    network: Name | None = None
    operations: list[str] = Field(default_factory=list)


class Capabilities(_Message):
    """What an agent can do. `resources`: amount it offers of each resource class; a class not named is unlimited."""

    hosts: list[str] = Field(default_factory=list)  # resource types it can be given: ["network"]
    resources: dict[Name, Whole] = Field(default_factory=dict)
    interests: list[Interest] = Field(default_factory=list)
    mode: str = "active"  # "passive": takes only what an operator binds by hand
    reaches: list[str] = Field(default_factory=list)  # segments, in the words of model/segment.py: "flat:physnet1"


class Applied(_Message):
    """A scope as it is in force on the agent: read back, not just received. position -1: the agent dropped it."""

    scope: Name
    epoch: Whole
    position: Whole


class Fault(_Message):
    """Applying a scope failed (`message`), or works again (None)."""

    scope: Name
    epoch: Whole
    message: Text | None = None


class State(_Message):
    """What the agent says of one object in a scope that it holds. Not a change: nobody else is told of it.

    `revision` is that of the object as it was applied. Said again whenever revision or status is another one.
    """

    scope: Name
    epoch: Whole
    kind: Name
    id: Name
    revision: Whole
    status: Word


class Copies(_Message):
    """What an agent that has just started holds copies of, as wanted: how many scopes, model/checksum.py over them."""

    count: int
    checksum: int


class Beat(_Message):
    agent_type: Name
    host: Long
    binary: Name
    address: Long  # where to send what is for this agent; agents of one process may share it
    zone: Name = "nova"
    boot_id: Name = ""
    started_at: str = ""  # ISO 8601, UTC; for people
    sequence: Whole = 0
    echo: float | None = None  # T + elapsed, seconds since the epoch in the database's time
    version: Word = VERSION
    capabilities: Capabilities | None = None  # only when changed since the last answered beat
    configurations: dict[str, Any] | None = None  # likewise
    load: dict[str, float] = Field(default_factory=dict)  # "busy": 0..1, others for people
    applied: list[Applied] = Field(default_factory=list)  # changed since the last answered beat, or all
    complete: bool = False  # `applied` is the whole set
    count: int = 0  # of the whole set
    checksum: int = 0  # model/checksum.py over the whole set
    incarnation: str = ""  # by which `applied` and `checksum` are meant; "" before the first answer
    interval: float = 0.0  # s, as told by the newest answer; 0 before that
    restoring: bool = False  # started lately: `count` and `checksum` are not yet those of all that it holds
    copies: Copies | None = None  # while `restoring`: what it brought from its earlier life
    settings: dict[str, Any] = Field(default_factory=dict)  # must agree with the server: MTU, DNS domain, lease time
    faults: list[Fault] = Field(default_factory=list)
    states: list[State] = Field(default_factory=list)  # changed since the last answered beat; the rest in the next


class Lagging(_Message):
    scope: str
    epoch: int
    position: int  # where the scope stands


class Notice(_Message):
    """Bring a copy of `scope` from `previous` to `position`. Upserts None: pull (payload = id)."""

    scope: str
    epoch: int
    incarnation: str
    previous: int
    position: int
    released: bool = False  # you no longer hold it: remove, then acknowledge with position -1
    upserts: dict[str, list[Object]] | None = None  # by kind
    removals: dict[str, list[str]] = Field(default_factory=dict)  # ids by kind
    requests: list[str] = Field(default_factory=list)  # ids of the API requests that changed it; for logs


class BeatAnswer(_Message):
    """The durable acknowledgement of beat `sequence`: what it carried is in the database."""

    agent_type: str
    host: str
    sequence: int
    time: float  # T
    incarnation: str
    interval: float  # s until the next beat
    lease: float  # s for which the agent may believe that it holds what it holds
    admin_state_up: bool = True
    lagging: list[Lagging] = Field(default_factory=list)  # behind and not in flight: pull these
    dropped: list[str] = Field(default_factory=list)  # acknowledged, but not yours: remove these
    notices: list[Notice] = Field(default_factory=list)  # with delivery = beat
    send_all: bool = False  # checksum wrong: next beat complete
    introduce: bool = False  # next beat with capabilities and configurations
    # The copies that the beat summed up are what this agent had acknowledged: only what `lagging` and `dropped` name
    # wants a pull.
    current: bool = False


class PullItem(_Message):
    scope: str
    position: int = 0  # of my copy; 0: I have none
    epoch: int = 0


class PullRequest(_Message):
    agent_type: str
    host: str
    incarnation: str = ""  # of my copies; another one makes every position worthless
    items: list[PullItem]


class PulledScope(_Message):
    """`held` False: not yours (any more), remove it. `full`: content is everything; else what changed since."""

    scope: str
    held: bool = True
    epoch: int = 0
    position: int = 0
    full: bool = True
    upserts: dict[str, list[Object]] = Field(default_factory=dict)
    removals: dict[str, list[str]] = Field(default_factory=dict)
    requests: list[str] = Field(default_factory=list)  # as in a Notice; of the last minutes, if full


class PullAnswer(_Message):
    incarnation: str
    scopes: list[PulledScope]


class ToServer:
    """An agent's hand on the server."""

    def __init__(self, transport_: transport.Transport) -> None:
        self._transport = transport_

    def beat(self, beat: Beat) -> None:
        """A cast; the answer comes back as a message of its own, when the beat is stored."""
        self._transport.cast(transport.SERVER, "beat", beat.model_dump(mode="json", exclude_none=True))

    def pull(self, request: PullRequest, timeout: float = 10.0) -> PullAnswer:
        """Raises Unavailable without an answer after `timeout` seconds."""
        answer = self._transport.call(transport.SERVER, "pull", request.model_dump(mode="json"), timeout)
        return PullAnswer.model_validate(answer)


class ToAgent:
    """A server's hand on agent processes: all that is for one address travels in one message."""

    def __init__(self, transport_: transport.Transport, clock_: clock.Clock | None = None) -> None:
        self._transport = transport_
        self._clock = clock_ or clock.SystemClock()
        self._health = UNTRIED
        self._confirmed_at: float | None = None  # monotonic
        self.sent = Tally()  # by "answers", "notices" and "sent", "failed"

    def answers(self, address: str, answers: list[BeatAnswer]) -> None:
        self._cast(address, "answers", {"answers": [a.model_dump(mode="json") for a in answers]}, len(answers))

    def notices(self, address: str, notices: dict[str, list[Notice]]) -> None:
        """`notices` by recipient, ``"<agent_type>@<host>"``."""
        # All that a notice holds is plain already; to make sure of that costs as much as all else here.
        dumped = {to: [dict(n) for n in many] for to, many in notices.items()}
        self._cast(address, "notices", {"notices": dumped}, sum(map(len, dumped.values())))

    def health(self) -> str:
        """How the last cast went: "ok", or what the transport said. For operators.

        With the broker away no beats come in that could be answered, so an old success is shown with its age.
        """
        since = self._clock.monotonic() - self._confirmed_at if self._confirmed_at is not None else 0.0
        return self._health if since < QUIET else f"ok {since:.0f} s ago, nothing sent since"

    def trouble(self) -> str | None:
        """What is wrong with the broker as far as the last cast tells, in words that name nothing; None: nothing."""
        return None if self._confirmed_at is not None or self._health == UNTRIED else "it did not take the last message"

    def _cast(self, address: str, method: str, payload: transport.Message, carried: int) -> None:
        try:
            self._transport.cast(address, method, payload)
        except errors.Unavailable as error:
            self.sent.add(method, "failed", by=carried)
            self._health, self._confirmed_at = str(error), None
            raise
        self._health, self._confirmed_at = "ok", self._clock.monotonic()
        self.sent.add(method, "sent", by=carried)


def recipient(agent_type: str, host: str) -> str:
    """The name of an agent inside a message for its process."""
    return f"{agent_type}@{host}"


def server_handler(on_beat: Callable[[Beat], None], on_pull: Callable[[PullRequest], PullAnswer]) -> transport.Handler:
    """What a server serves at SERVER."""

    def handle(method: str, payload: transport.Message) -> transport.Message | None:
        if method == "beat":
            on_beat(Beat.model_validate(payload))
            return None
        if method == "pull":
            # Of a thousand scopes of which most are unchanged, defaults would be most of the message.
            return on_pull(PullRequest.model_validate(payload)).model_dump(mode="json", exclude_defaults=True)
        if method == echo.METHOD:
            return {}
        raise errors.UnknownCode(message=f"the server knows no method {method!r}")

    return handle


def agent_handler(
    on_answer: Callable[[BeatAnswer], None], on_notices: Callable[[str, list[Notice]], None]
) -> transport.Handler:
    """What an agent process serves at its address."""

    def handle(method: str, payload: transport.Message) -> transport.Message | None:
        if method == "answers":
            for answer in payload["answers"]:
                on_answer(BeatAnswer.model_validate(answer))
        elif method == "notices":
            for to, notices in payload["notices"].items():
                on_notices(to, [Notice.model_validate(n) for n in notices])
        # A method of a newer server is for agents that know it: ignored.
        return None

    return handle
