"""What the clients were told: the objects that must be there, those that must be gone, and those nobody knows of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.times import now

# No request lasts so long: what nobody has answered by then has happened or never will.
SETTLED = 45.0  # s


@dataclass
class Item:
    """An object of one client, by its name. `there` None: a write was not answered, so either may be true.

    `fields`: what it must show. `either`: fields of which two values may be true, because of an unanswered write.
    """

    plural: str
    name: str
    fields: dict[str, Any]
    id: str | None = None
    there: bool | None = None
    either: dict[str, list[Any]] = field(default_factory=dict)
    unknown_since: float | None = None
    gone_at: float | None = None  # when a deletion was acknowledged

    @property
    def singular(self) -> str:
        return self.plural.removesuffix("s")

    @property
    def known(self) -> bool:
        return self.unknown_since is None

    @property
    def alive(self) -> bool:
        """Its client may work on it."""
        return self.known and bool(self.there)

    @property
    def settled(self) -> bool:
        """Unknown for so long that looking at it tells."""
        return self.unknown_since is not None and now() - self.unknown_since > SETTLED

    def doubt(self) -> None:
        """A write to it was not answered."""
        self.unknown_since = now()

    def faults(self, found: dict[str, Any] | None) -> list[str]:
        """What the object as it is, None for none, has that it may not have."""
        if found is None:
            return [f"{self.plural} {self.name} is not there"] if self.there else []
        if self.there is False:
            return [f"{self.plural} {self.name} was deleted and is there"]
        wrong = []
        for name, value in self.fields.items():
            may = [value, *self.either.get(name, [])]
            if name in found and found[name] not in may:
                wrong.append(f"{self.plural} {self.name} has {name} = {found[name]!r}, which may be {may!r}")
        return wrong


@dataclass
class Book:
    """Of one client; only it writes. `errors`: answers that no client may get."""

    items: list[Item] = field(default_factory=list)
    barred: dict[tuple[str, str], bool] = field(default_factory=dict)  # (network or router, agent) -> surely
    acknowledged: int = 0
    unknown: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by status and what was wanted
    unavailable: int = 0  # 503
    errors: list[str] = field(default_factory=list)

    def add(self, plural: str, name: str, **fields: Any) -> Item:
        item = Item(plural, name, fields)
        self.items.append(item)
        return item
