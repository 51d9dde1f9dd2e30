"""How much of a pull is answered at once. Agents ask again for what an answer leaves out.

An agent that has just started may ask for thousands of scopes that it knows: of most there is nothing to tell, which
costs next to nothing. Where much has changed, the answer must not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netsched.rpc.agent import PullItem

WHOLE = 50  # scopes in one answer that are sent whole
CHANGED = 200  # and of which the changes are sent


@dataclass
class Shares:
    """Scopes by what is sent of them: nothing, since it has not changed; changes, {scope: (after, up to)}; everything.
    What is in none of these waits for the next pull."""

    unchanged: list[str] = field(default_factory=list)
    changed: dict[str, tuple[int, int]] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)


def share(
    held: Iterable[str], asked: Mapping[str, PullItem], positions: Mapping[str, int], floor: int, known: bool
) -> Shares:
    """`floor`: changes up to it may have been pruned. `known`: the agent's positions are of this incarnation."""
    shares = Shares()
    for scope in held:
        mine, now = asked[scope].position if known else 0, positions.get(scope, 0)
        if mine and mine == now:
            shares.unchanged.append(scope)
        elif mine and floor <= mine < now:
            if len(shares.changed) < CHANGED:
                shares.changed[scope] = (mine, now)
        elif len(shares.whole) < WHOLE:
            shares.whole.append(scope)
    return shares
