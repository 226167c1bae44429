"""How often somebody may ask: a bound on the requests of an address before its token is read, and one of each caller.

Each web process counts for itself: several of them allow as many times more.
"""

import math
import time
from functools import cache

from flask import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from shared.domain.refusal import Refusal
from shared.process.config import Config


class TooManyRequests(Refusal):
    """请求过于频繁（每分钟最多 {limit} 次），请在 {seconds} 秒后重试
    Too many requests (at most {limit} a minute); try again in {seconds} seconds"""

    status = 429

    def __init__(self, limit: int, seconds: int) -> None:
        self.headers = {"Retry-After": str(seconds)}
        super().__init__(limit=limit, seconds=seconds)


class Rate:
    """At most so many requests a minute of everybody, over a sliding window; 0: any number."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._item = RateLimitItemPerMinute(limit) if limit else None
        self._counter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, who: str) -> None:
        """One request of ``who``. Raises TooManyRequests."""
        if self._item is None or self._counter.hit(self._item, who):
            return
        window = self._counter.get_window_stats(self._item, who)
        raise TooManyRequests(self._limit, max(1, math.ceil(window.reset_time - time.time())))


class Rates:
    """The bounds of one web process, whichever services it serves."""

    def __init__(self, config: Config) -> None:
        self._addresses, self._callers = Rate(config.rate_address), Rate(config.rate_caller)
        self._proxies = config.trusted_proxies

    def before_authentication(self, asked: Request) -> None:
        """Raises TooManyRequests."""
        self._addresses.count(self._address(asked))

    def _address(self, asked: Request) -> str:
        # Each proxy adds whom it was asked by; what stands before that the client may have invented.
        named = asked.access_route if self._proxies else []
        return named[-min(self._proxies, len(named))] if named else asked.remote_addr or ""

    def of(self, subject: str) -> None:
        """Raises TooManyRequests."""
        self._callers.count(subject)


@cache
def rates_of(config: Config) -> Rates:
    """One for all the apps of a process."""
    return Rates(config)
