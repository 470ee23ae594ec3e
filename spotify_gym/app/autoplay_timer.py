"""The clock of auto-play."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class AutoplayTimer:
    """Beats once a track, at a steady pace however long the page takes to be drawn after each.

    The browser asks whether it is time, and is not to be relied on: it asks late, or twice, or for a page that has
    been drawn anew since.

    Args:
        clock: what time it is [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = math.inf
        self._last: float | None = None  # when the beat was due that the page is being drawn for

    def wind(self, pace: float) -> float:
        """Set the next beat while the page is drawn, and return how long it is until then [s].

        It comes `pace` seconds after the last one, so that drawing is part of them, up to a half: the other half is
        for looking at the page. Where the page is drawn for another reason than a beat, it is `pace` seconds from now.
        """
        now = self._clock()
        since = now if self._last is None else self._last
        self._due, self._last = max(since + pace, now + pace / 2), None
        return self._due - now

    def beats(self) -> bool:
        """Say whether it is time; after that not again before the next `wind`."""
        if self._clock() < self._due:
            return False
        self._due, self._last = math.inf, self._due
        return True
