"""First all moves, then what they bring with them: while this server moves much at once, pulls are put off.

Who gets a router asks for all that it needs, which costs several times what the move itself costs, and in one process
the two compete: others would wait for an agent until the first ones have got everything. An agent whose pull is
answered by nothing asks again after half a second, so no thread waits here.
"""

from __future__ import annotations

from netsched.clock import Clock

MANY = 200  # moves in one round
LONGEST = 5.0  # s for which pulls are put off; then they are answered for as long, however much is still to be moved


class Rush:
    """Told of by the scheduler (`begins`, `all_moved`) and by the relay (`all_told`); asked by who answers pulls.

    A worker that reads what another one is about to change costs a pull that comes too early, or half a second.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: float | None = None
        self.moved = False  # there is nothing left to move, but it may still have to be told

    def begins(self, moves: int) -> None:
        """So many moves are about to be made."""
        if moves < MANY:
            return
        now = self._clock.monotonic()
        if self._began is None or now - self._began > 2 * LONGEST:
            self._began = now
        self.moved = False

    def all_moved(self) -> None:
        self.moved = True

    def all_told(self) -> None:
        self._began = None

    def under_way(self) -> bool:
        began = self._began
        return began is not None and self._clock.monotonic() - began <= LONGEST
