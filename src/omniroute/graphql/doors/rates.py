"""How many operations a minute: `api_limits.rate_limit`, counted in this process over the last sixty seconds.

Counted by organisation and role, and, where the metadata name more, by the caller's address or session variables.
The administrator is not bound. Who has used up a minute is refused, and what is refused does not count.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from omniroute.graphql.doors.admission import Admitted
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.metadata.tree import ADDRESS, RateLimits
from omniroute.graphql.model.roles import ADMIN

WINDOW_S = 60.0
KEYS_MAX = 10_000
"""Who has not been seen for longest is forgotten beyond it: memory is bounded, whoever comes."""


class Rates:
    """What the doors of a process count together."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen: OrderedDict[tuple[str, ...], deque[float]] = OrderedDict()

    def check(self, limits: RateLimits, visitor: Admitted, address: str) -> None:
        """Count one operation.

        Raises: RequestRefused.
        """
        limit = None if visitor.role == ADMIN else limits.of(visitor.role)
        if limit is None:
            return
        session = visitor.session
        parts = (address if one == ADDRESS else session.variables.get(one, "") for one in limit.by)
        key = (str(session.tenant_id), visitor.role, *parts)
        seen, now = self._seen.setdefault(key, deque()), self._now()
        self._seen.move_to_end(key)
        while seen and now - seen[0] >= WINDOW_S:
            seen.popleft()
        if len(seen) >= limit.per_minute:
            raise RequestRefused(f"rate limit of {limit.per_minute} exceeded", code="rate-limit-exceeded")
        seen.append(now)
        if len(self._seen) > KEYS_MAX:
            self._seen.popitem(last=False)
