"""The client's address behind proxies: what a client writes itself is never believed."""

from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from omniroute.api import Proxies, Services, create_app
from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock
from omniroute.kit.networks import read_networks

BALANCER, INNER, CLIENT, LIE = "10.0.0.1", "10.0.0.2", "203.0.113.9", "198.51.100.7"
FOR = Proxies(read_networks("10.0.0.0/8, fd00::/8"))
FORWARDED = Proxies(read_networks("10.0.0.0/8, fd00::/8"), "forwarded")


def client(proxies: Proxies, peer: str, *lines: str, name: str = "") -> str:
    key = (name or proxies.header).encode()
    return proxies.client(peer, [(b"host", b"x"), *[(key, line.encode("latin-1")) for line in lines]])


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        (BALANCER, [], BALANCER),
        (BALANCER, [CLIENT], CLIENT),
        (BALANCER, [f"{LIE}, {CLIENT}"], CLIENT),
        (BALANCER, [f"{LIE}, {BALANCER}, {CLIENT}"], CLIENT),
        (BALANCER, [f"{LIE}, {CLIENT}, {INNER}"], CLIENT),
        (BALANCER, [LIE, CLIENT], CLIENT),
        (BALANCER, [f"{LIE},{CLIENT}", INNER], CLIENT),
        (BALANCER, ["10.9.9.9, 10.9.9.8"], "10.9.9.9"),
        (CLIENT, [LIE], CLIENT),
        (CLIENT, [f"{LIE}, {BALANCER}"], CLIENT),
        ("", [LIE], ""),
        (BALANCER, [""], BALANCER),
        (BALANCER, ["unknown"], BALANCER),
        (BALANCER, [f"{LIE}, unknown"], BALANCER),
        (BALANCER, [f"{LIE}, unknown, {INNER}"], INNER),
        (BALANCER, [f"{LIE},"], BALANCER),
        (BALANCER, [f"{LIE}, 999.1.1.1"], BALANCER),
        (BALANCER, [f"{CLIENT}:4711"], CLIENT),
        (BALANCER, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (BALANCER, ["2001:DB8:0::1"], "2001:db8::1"),
        (BALANCER, [f"::ffff:{CLIENT}"], CLIENT),
        (f"::ffff:{BALANCER}", [CLIENT], CLIENT),
        ("fd00::5", [CLIENT], CLIENT),
        (BALANCER, ["fe80::1%eth0"], BALANCER),
    ],
)
def test_x_forwarded_for_is_read_from_its_end(peer: str, lines: list[str], expected: str) -> None:
    assert client(FOR, peer, *lines) == expected


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        (BALANCER, [f"for={CLIENT}"], CLIENT),
        (BALANCER, [f"For={LIE}, for={CLIENT};proto=https;by={BALANCER}"], CLIENT),
        (BALANCER, [f"for={LIE}", f"proto=https; for={CLIENT}", f"for={INNER}"], CLIENT),
        (BALANCER, ['for="[2001:db8::1]:4711"'], "2001:db8::1"),
        (BALANCER, [f'for="{CLIENT}:4711"'], CLIENT),
        (BALANCER, [f"for={CLIENT}:4711"], CLIENT),
        (BALANCER, [f"for={LIE}, for=_hidden"], BALANCER),
        (BALANCER, [f"for={LIE}, for=unknown, for={INNER}"], INNER),
        (BALANCER, [f"for={LIE}, proto=https"], BALANCER),
        (BALANCER, [f'for="{LIE}, for={CLIENT}'], BALANCER),
        (BALANCER, [f'for="{LIE}', f"for={CLIENT}"], CLIENT),
        (BALANCER, [f"for={CLIENT};for={LIE}"], BALANCER),
        (BALANCER, [f"{LIE}"], BALANCER),
        (CLIENT, [f"for={LIE}"], CLIENT),
    ],
)
def test_forwarded_is_read_from_its_end(peer: str, lines: list[str], expected: str) -> None:
    assert client(FORWARDED, peer, *lines) == expected


def test_only_the_header_of_the_proxies_is_believed() -> None:
    assert client(FOR, BALANCER, f"for={LIE}", name="forwarded") == BALANCER
    assert client(FORWARDED, BALANCER, LIE, name="x-forwarded-for") == BALANCER


def test_without_networks_nobody_is_believed() -> None:
    assert client(Proxies(), BALANCER, CLIENT) == BALANCER


@given(lie=st.text(st.characters(max_codepoint=255), max_size=80), proxies=st.sampled_from([FOR, FORWARDED]))
def test_whatever_a_client_sends_never_becomes_its_address(lie: str, proxies: Proxies) -> None:
    """The proxy appends to the client's line or writes its own: the answer is the client or, if unreadable, a proxy."""
    hop = f"for={CLIENT}" if proxies is FORWARDED else CLIENT
    assert client(proxies, BALANCER, lie, hop) == CLIENT
    assert client(proxies, BALANCER, f"{lie}, {hop}") in {CLIENT, BALANCER}
    assert client(proxies, CLIENT, lie) == CLIENT


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everybody", "0.0.0.0/0", "10.0.0.0/8, ::/0"])
def test_what_is_no_network_to_trust_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_networks(text)


async def _sources(owner_db: Database) -> set[int]:
    async with owner_db.connection() as connection:
        cursor = await connection.execute("SELECT attempt_count FROM login_throttle WHERE kind = 'source'")
        return {row[0] for row in await cursor.fetchall()}


async def test_logins_are_counted_by_the_clients_address(services: Services, owner_db: Database) -> None:
    """Many forged first hops are one source; two clients behind one proxy are two."""
    clock, registry = FixedClock(services.clock.now()), CollectorRegistry()
    app = create_app(replace(services, proxies=FOR, clock=clock, registry=registry), access_log=False)
    transport = httpx.ASGITransport(app, client=(BALANCER, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://omniroute.test") as http:

        async def attempt(number: int, hops: str) -> int:
            body = {"email": f"nobody-{number}@example.com", "password": "wrong password here"}
            return (await http.post("/v1/sessions", json=body, headers={"x-forwarded-for": hops})).status_code

        for number in range(20):
            assert await attempt(number, f"198.51.100.{number}, {CLIENT}") == 401
        assert await attempt(20, f"198.51.100.20, {CLIENT}") == 429
        assert await attempt(21, "203.0.113.10") == 401
    assert await _sources(owner_db) == {1, 20}
