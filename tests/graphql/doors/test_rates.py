"""How many operations a minute: by organisation and role, and by address or session variables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from omniroute.graphql import Session, parse_metadata
from omniroute.graphql.doors.admission import Admitted
from omniroute.graphql.doors.rates import KEYS_MAX, WINDOW_S, Rates
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.metadata.tree import RateLimit, RateLimits
from tests.graphql.doors.conftest import Caller, System
from tests.graphql.doors.test_http import refused

QUERY = "{ merchants { __typename } }"


def visitor(role: str = "user", tenant: int = 1, **variables: str) -> Admitted:
    named = {f"x-hasura-{name.replace('_', '-')}": text for name, text in variables.items()}
    return Admitted(role, Session(UUID(int=tenant), None, named))


class Window:
    """Rates on a clock that is set by hand."""

    def __init__(self, limits: RateLimits) -> None:
        self.now = 0.0
        self.rates, self.limits = Rates(lambda: self.now), limits

    def takes(self, who: Admitted, address: str = "1.2.3.4") -> bool:
        try:
            self.rates.check(self.limits, who, address)
        except RequestRefused:
            return False
        return True


def test_a_minute_slides() -> None:
    window = Window(RateLimits(RateLimit(2)))
    for second, taken in ((0, True), (30, True), (59.9, False), (60, True), (60.1, False), (90, True), (90, False)):
        window.now = second
        assert window.takes(visitor()) is taken, second


def test_who_is_told_apart() -> None:
    window = Window(
        RateLimits(RateLimit(1), {"auditor": RateLimit(1, ("ip",)), "user": RateLimit(1, ("x-hasura-id",))})
    )
    assert [window.takes(visitor("clerk")), window.takes(visitor("clerk")), window.takes(visitor("clerk", 2))] == [
        True, False, True,
    ]  # fmt: skip
    assert [window.takes(visitor("auditor"), one) for one in ("a", "a", "b")] == [True, False, True]
    assert [window.takes(visitor("user", id=one), "a") for one in ("1", "2", "1", "")] == [True, True, False, True]
    assert all(window.takes(visitor("admin")) for _ in range(9))
    assert window.takes(visitor("support"))


def test_memory_is_bounded() -> None:
    window = Window(RateLimits(RateLimit(5, ("ip",))))
    for number in range(KEYS_MAX + 50):
        assert window.takes(visitor(), str(number))
    assert len(window.rates._seen) == KEYS_MAX
    window.now = WINDOW_S * 2
    for _ in range(20):
        window.takes(visitor(), "same")
    assert len(window.rates._seen[str(UUID(int=1)), "user", "same"]) == 5


def parsed(**rate: Any) -> tuple[RateLimits, list[str]]:
    metadata, problems = parse_metadata({"version": 3, "sources": [], "api_limits": rate})
    return metadata.rate_limit, [str(one) for one in problems]


def test_how_metadata_write_it() -> None:
    app = {"max_reqs_per_min": 1, "unique_params": ["X-Hasura-Id"]}
    per_role = {"user": {"max_reqs_per_min": 10, "unique_params": None}, "app": app}
    rate = {"global": {"max_reqs_per_min": 30, "unique_params": "IP"}, "per_role": per_role}
    found = RateLimits(RateLimit(30, ("ip",)), {"user": RateLimit(10), "app": RateLimit(1, ("x-hasura-id",))})
    assert parsed(rate_limit=rate) == (found, [])
    assert parsed(rate_limit=rate, disabled=True) == (RateLimits(), [])
    wrong = parsed(rate_limit={"global": {"max_reqs_per_min": 3, "unique_params": 7, "burst": 1}})[1]
    assert wrong == [
        "metadata.api_limits.rate_limit.global: unique_params must be IP or a list of session variables, not 7",
        "metadata.api_limits.rate_limit.global: burst is not known",
    ]


@pytest.fixture
def limited(system: System) -> Callable[[RateLimits], Any]:
    serving = system.gate.serving

    @contextmanager
    def under(limits: RateLimits) -> Iterator[None]:
        before, rates = serving.engine.metadata, serving.rates
        serving.engine.metadata, serving.rates = replace(before, rate_limit=limits), Rates()
        try:
            yield
        finally:
            serving.engine.metadata, serving.rates = before, rates

    return under


async def test_the_door_refuses_as_hasura_does(http: Caller, limited: Callable[[RateLimits], Any]) -> None:
    with limited(RateLimits(RateLimit(3, ("ip",)))):
        batch = [{"query": QUERY}, {"query": QUERY}]
        body = (await http.http.post("/v1/graphql", json=batch, headers=http.headers())).json()
        assert [list(one) for one in body] == [["data"], ["data"]]
        assert "data" in (await http.ask(QUERY)).json()
        answer = await http.ask(QUERY)
        assert refused(answer) == (200, "rate-limit-exceeded", "$", "rate limit of 3 exceeded")
        assert "data" in (await http.ask(QUERY, "user")).json()
    assert "data" in (await http.ask(QUERY)).json()
