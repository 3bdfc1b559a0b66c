"""How often passwords may be tried: by one client for one account, by one client, for one account."""

from __future__ import annotations

import time
from collections.abc import Callable

from cardiofusion.serve.guard.buckets import Buckets

MINUTE = 60.0
PAIR_BURST = 5  # a person who mistypes; after that one try a minute
CLIENT_BURST, CLIENT_RATE = 30, 1 / 20  # a ward behind one address
# From many addresses together. Wide, or a stranger could lock somebody out by failing on purpose.
ACCOUNT_BURST, ACCOUNT_RATE = 60, 1 / MINUTE


class Throttle:
    """Counts failed tries only. Whether an account exists makes no difference."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._pair = Buckets(1 / MINUTE, PAIR_BURST, clock=clock)
        self._client = Buckets(CLIENT_RATE, CLIENT_BURST, clock=clock)
        self._account = Buckets(ACCOUNT_RATE, ACCOUNT_BURST, clock=clock)

    def begin(self, name: str, client: str) -> float:
        """Take a try: 0.0 where it may be made, else the seconds to wait."""
        keys = self._keys(name, client)
        wait = max(buckets.wait(key) for buckets, key in keys)
        return wait or max(buckets.take(key) for buckets, key in keys)

    def succeeded(self, name: str, client: str) -> None:
        """The try was right and does not count."""
        for buckets, key in self._keys(name, client):
            buckets.give_back(key)

    def _keys(self, name: str, client: str) -> list[tuple[Buckets, str]]:
        account = name.strip().lower()[:64]
        return [
            (self._pair, f"{client} {account}"),
            (self._client, client),
            (self._account, account),
        ]
