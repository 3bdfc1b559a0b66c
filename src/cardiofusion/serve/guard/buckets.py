"""Token buckets: how often somebody may do something, with a bound on what is remembered."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

CAPACITY = 10_000  # whom it remembers; the least recently seen is forgotten first


class Buckets:
    """A bucket for each key, which holds `burst` tokens and gains `rate` a second. Safe among threads."""

    def __init__(
        self,
        rate: float,
        burst: int,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._burst, self._capacity, self._clock = rate, burst, capacity, clock
        self._filled: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # key: tokens, when
        self._lock = threading.Lock()

    def take(self, key: Hashable) -> float:
        """Take a token: 0.0 where there was one, else the seconds until there is."""
        with self._lock:
            tokens = self._tokens(key)
            taken = tokens >= 1
            self._keep(key, tokens - 1 if taken else tokens)
            return 0.0 if taken else (1 - tokens) / self._rate

    def wait(self, key: Hashable) -> float:
        """The seconds until there is a token, without taking it."""
        with self._lock:
            return max(0.0, 1 - self._tokens(key)) / self._rate

    def give_back(self, key: Hashable) -> None:
        """What was taken did not count."""
        with self._lock:
            self._keep(key, min(float(self._burst), self._tokens(key) + 1))

    def __len__(self) -> int:
        return len(self._filled)

    def _tokens(self, key: Hashable) -> float:
        tokens, when = self._filled.get(key, (float(self._burst), 0.0))
        return min(float(self._burst), tokens + (self._clock() - when) * self._rate)

    def _keep(self, key: Hashable, tokens: float) -> None:
        self._filled[key] = (tokens, self._clock())
        self._filled.move_to_end(key)
        while len(self._filled) > self._capacity:
            self._filled.popitem(last=False)


def retry_after(seconds: float) -> tuple[tuple[str, str], ...]:
    """The header field that says when to come again."""
    return (("retry-after", str(max(1, math.ceil(seconds)))),)
