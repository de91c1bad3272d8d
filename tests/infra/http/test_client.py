"""Retries, breaker, places, rate, deadlines, limits and counts of the client."""

import asyncio
import gzip
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from omniroute.infra.http import BreakerState, ExchangeFailed, Limits, RailClients, Request, Sent, Tls
from omniroute.kit.clock import FixedClock, SystemClock
from tests.infra.http.peer import OK, Caller, ask, client, closed_port, query, replies, serve, submit

START = datetime(2026, 11, 21, 8, tzinfo=UTC)


def answer(status: int, *lines: str, body: bytes = b"") -> bytes:
    """A reply as bytes."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} X", *lines, f"Content-Length: {len(body)}"))
    return head.encode() + b"\r\n" + body


class Waits:
    """Instead of sleeping: moves the clock, and remembers."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.clock.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)


async def test_a_query_is_tried_again_and_a_submit_never() -> None:
    async def fails_twice(caller: Caller) -> None:
        while await caller.request():
            await caller.say(answer(503) if caller.peer.requests < 3 else OK)

    async with serve(fails_twice) as peer, client() as http:
        assert (await http.exchange(query(peer.url))).status == 200
        assert peer.requests == 3
    async with serve(fails_twice) as peer, client() as http:
        assert (await http.exchange(submit(peer.url))).status == 503
        assert peer.requests == 1


async def test_a_submit_that_is_reset_goes_out_once() -> None:
    async def resets(caller: Caller) -> None:
        await caller.request()
        caller.reset()

    async with serve(resets) as peer, client() as http:
        with pytest.raises(ExchangeFailed):
            await http.exchange(submit(peer.url))
        await asyncio.sleep(0.02)
        assert peer.requests == 1


async def test_the_wait_between_tries_grows_and_retry_after_wins() -> None:
    clock = FixedClock(START)
    waits = Waits(clock)
    later = (START + timedelta(seconds=12)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    async def fails(caller: Caller) -> None:
        lines = [(), ("Retry-After: 7",), (f"Retry-After: {later}",), ("Retry-After: soon",)]
        while await caller.request():
            await caller.say(answer(503, *lines[min(caller.peer.requests - 1, 3)]))

    limits = Limits(tries_max=5, retry_wait_ms=1_000)
    async with serve(fails) as peer, client(limits=limits, clock=clock, sleep=waits) as http:
        assert (await http.exchange(query(peer.url))).status == 503
        assert peer.requests == 5
    first, second, third, fourth = waits.seconds
    assert 0.5 <= first <= 1
    assert second == 7
    assert abs(third - (5 - first)) < 1  # The date counts from now; it has whole seconds.
    assert 4 <= fourth <= 8


async def test_a_retry_after_that_is_too_long_ends_the_tries() -> None:
    async def fails(caller: Caller) -> None:
        while await caller.request():
            await caller.say(answer(429, "Retry-After: 3600"))

    async with serve(fails) as peer, client() as http:
        assert (await http.exchange(query(peer.url))).status == 429
        assert peer.requests == 1


async def test_a_deadline_bounds_all_tries() -> None:
    async def silent(caller: Caller) -> None:
        while await caller.request():
            pass

    async with serve(silent) as peer, client(limits=Limits(tries_max=100, retry_wait_ms=1)) as http:
        with pytest.raises(ExchangeFailed) as failure:
            await http.exchange(query(peer.url, deadline_s=0.2))
        assert failure.value.sent is Sent.MAYBE
        assert peer.requests <= 2


async def test_a_redirect_is_an_answer() -> None:
    async with serve(replies) as elsewhere:

        async def redirects(caller: Caller) -> None:
            while await caller.request():
                await caller.say(answer(307, f"Location: {elsewhere.url}"))

        async with serve(redirects) as peer, client() as http:
            reply = await http.exchange(submit(peer.url))
            assert (reply.status, reply.headers["location"]) == (307, elsewhere.url)
            assert elsewhere.connections == 0


async def test_the_breaker_stops_submits_and_never_queries() -> None:
    clock = FixedClock(START)
    healthy = False

    async def rail(caller: Caller) -> None:
        while await caller.request():
            await caller.say(OK if healthy else answer(500))

    async with serve(rail) as peer, client(clock=clock) as http:
        for _ in range(5):
            assert (await http.exchange(submit(peer.url))).status == 500
        assert http.breaker.name == "OPEN"
        assert not http.takes_submits()
        with pytest.raises(ExchangeFailed, match="breaker") as failure:
            await http.exchange(submit(peer.url))
        assert failure.value.sent is Sent.NO
        assert peer.requests == 5
        assert (await http.exchange(query(peer.url))).status == 500
        assert peer.requests == 6

        clock.at += timedelta(seconds=31)
        assert (await http.exchange(submit(peer.url))).status == 500  # The probe fails: wait twice as long.
        clock.at += timedelta(seconds=31)
        with pytest.raises(ExchangeFailed, match="breaker"):
            await http.exchange(submit(peer.url))
        healthy = True
        clock.at += timedelta(seconds=31)
        assert (await http.exchange(submit(peer.url))).status == 200
        assert http.breaker is BreakerState.CLOSED
        assert peer.requests == 8


async def test_half_open_lets_one_through_at_a_time_also_when_it_is_called_off() -> None:
    clock = FixedClock(START)
    go = asyncio.Event()
    fail = True

    async def rail(caller: Caller) -> None:
        while await caller.request():
            if fail:
                await caller.say(answer(500))
            else:
                await go.wait()
                await caller.say(OK)

    async with serve(rail) as peer, client(clock=clock) as http:
        for _ in range(5):
            await http.exchange(submit(peer.url))
        fail = False
        clock.at += timedelta(seconds=31)
        peer.asked.clear()
        probe = asyncio.create_task(http.exchange(submit(peer.url)))
        await peer.asked.wait()
        with pytest.raises(ExchangeFailed, match="breaker"):
            await http.exchange(submit(peer.url))
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert http.takes_submits()
        go.set()
        assert (await http.exchange(submit(peer.url))).status == 200
        assert http.takes_submits()


async def test_places_bound_connections_and_queries_get_through_hanging_submits() -> None:
    go = asyncio.Event()

    async def rail(caller: Caller) -> None:
        while request := await caller.request():
            if request.startswith(b"POST"):
                await go.wait()
            await caller.say(OK)

    async with serve(rail) as peer, client(limits=Limits(concurrency_max=5, wait_timeout_s=30)) as http:
        submits = [asyncio.create_task(http.exchange(submit(peer.url))) for _ in range(12)]
        while peer.requests < 4:  # noqa: ASYNC110 - the peer counts
            await asyncio.sleep(0.005)
        assert (await http.exchange(query(peer.url))).status == 200
        assert peer.requests == 5
        go.set()
        assert {reply.status for reply in await asyncio.gather(*submits)} == {200}
        assert peer.connections <= 5


async def test_no_place_in_time_is_no() -> None:
    async def silent(caller: Caller) -> None:
        while await caller.request():
            pass

    async with serve(silent) as peer, client(limits=Limits(concurrency_max=1, wait_timeout_s=0)) as http:
        first = asyncio.create_task(http.exchange(submit(peer.url)))
        await peer.asked.wait()
        received = len(peer.received)
        with pytest.raises(ExchangeFailed, match="busy") as failure:
            await http.exchange(submit(peer.url))
        assert failure.value.sent is Sent.NO
        assert len(peer.received) == received
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_the_rate_holds_submits_and_lets_queries_pass() -> None:
    clock = FixedClock(START)
    waits = Waits(clock)
    async with (
        serve(replies) as peer,
        client(limits=Limits(submits_per_second=3), clock=clock, sleep=waits) as http,
    ):
        moments = []
        for _ in range(8):
            await http.exchange(submit(peer.url))
            moments.append((clock.at - START).total_seconds())
            await http.exchange(query(peer.url))
        assert moments == [0, 0, 0, 1, 1, 1, 2, 2]
        assert peer.requests == 16


async def test_a_wait_for_the_rate_that_is_too_long_is_no() -> None:
    clock = FixedClock(START)
    limits = Limits(submits_per_second=1, wait_timeout_s=0)
    async with serve(replies) as peer, client(limits=limits, clock=clock) as http:
        await http.exchange(submit(peer.url))
        with pytest.raises(ExchangeFailed, match="rate") as failure:
            await http.exchange(submit(peer.url))
        assert failure.value.sent is Sent.NO
        assert peer.requests == 1
        clock.at += timedelta(seconds=1)
        await http.exchange(submit(peer.url))
        assert peer.requests == 2


async def test_a_429_holds_back_the_next_submits() -> None:
    clock = FixedClock(START)
    waits = Waits(clock)

    async def rail(caller: Caller) -> None:
        while await caller.request():
            await caller.say(answer(429, "Retry-After: 5") if caller.peer.requests == 1 else OK)

    async with serve(rail) as peer, client(clock=clock, sleep=waits) as http:
        assert (await http.exchange(submit(peer.url))).status == 429
        assert (await http.exchange(submit(peer.url))).status == 200
        assert waits.seconds == [5]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate", "gzip, identity"])
async def test_compressed_replies_are_read(encoding: str) -> None:
    plain = b'{"code":"00"}' * 100
    raw = zlib.compressobj(wbits=-15)
    body = {
        "gzip": gzip.compress(plain, mtime=0),
        "gzip, identity": gzip.compress(plain, mtime=0),
        "deflate": zlib.compress(plain),
        "raw deflate": raw.compress(plain) + raw.flush(),
    }[encoding]

    async def rail(caller: Caller) -> None:
        await caller.request()
        await caller.say(answer(200, f"Content-Encoding: {encoding.removeprefix('raw ')}", body=body))

    async with serve(rail) as peer, client() as http:
        reply = await http.exchange(submit(peer.url))
        assert reply.body == plain
        assert "content-encoding" not in reply.headers


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"0" * 50_000_000, mtime=0)),
        ("gzip, gzip", gzip.compress(gzip.compress(b"0" * 50_000_000, mtime=0), mtime=0)),
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b"half of it is missing", mtime=0)[:-12]),
        ("gzip", gzip.compress(b"a", mtime=0) + b"more"),
        ("deflate", b"\xff\xff\xff"),
        ("br", b"anything"),
    ],
)
async def test_bombs_and_damage_are_no_reply(encoding: str, body: bytes) -> None:
    async def rail(caller: Caller) -> None:
        await caller.request()
        await caller.say(answer(200, f"Content-Encoding: {encoding}", body=body))

    async with serve(rail) as peer, client() as http:
        with pytest.raises(ExchangeFailed) as failure:
            await http.exchange(submit(peer.url))
        assert failure.value.sent is Sent.MAYBE


async def test_other_forms_of_a_whole_reply_are_read() -> None:
    forms = [
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n',
        b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}',
        b'HTTP/1.0 200 OK\r\n\r\n{"a":1}',
        b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\nSet-Cookie: a\r\n\r\n{"a":1}',
    ]
    for form in forms:

        async def rail(caller: Caller, form: bytes = form) -> None:
            while await caller.request():
                await caller.say(form)
                if b"1.0" in form[:10]:
                    return

        async with serve(rail) as peer, client() as http:
            for _ in range(2):
                assert (await http.exchange(submit(peer.url))).body == b'{"a":1}'


async def test_what_goes_out_is_what_was_asked_for() -> None:
    async with serve(replies) as peer, client() as http:
        headers = {"X-Ref": "1", "Content-Length": "999", "Host": "elsewhere", "Transfer-Encoding": "chunked"}
        await http.exchange(Request("PUT", peer.url + "?a=1&b=%20", "submit", headers, b"body"))
        head, _, body = bytes(peer.received).partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        host = peer.url.split("/")[2].encode()
        assert lines[0] == b"PUT /pay?a=1&b=%20 HTTP/1.1"
        assert set(lines[1:]) == {
            b"Host: " + host,
            b"X-Ref: 1",
            b"Accept-Encoding: identity",
            b"User-Agent: OmniRoute",
            b"Content-Length: 4",
        }
        assert body == b"body"


async def test_a_large_body_goes_out_whole() -> None:
    async with serve(replies) as peer, client() as http:
        body = bytes(range(256)) * 40_000
        assert (await http.exchange(submit(peer.url, body))).status == 200
        assert bytes(peer.received).endswith(body)


async def test_idle_connections_are_closed_after_a_while() -> None:
    gone = asyncio.Event()

    async def rail(caller: Caller) -> None:
        while await caller.request():
            await caller.say(OK)
        gone.set()

    async with serve(rail) as peer, client(limits=Limits(keepalive_s=1)) as http:
        await http.exchange(submit(peer.url))
        async with asyncio.timeout(30):
            await gone.wait()


async def test_counts_by_rail_and_operation() -> None:
    registry = CollectorRegistry()

    async def rail(caller: Caller) -> None:
        while await caller.request():
            await caller.say(answer(500))

    async with serve(rail) as peer, client(registry=registry) as http:
        for _ in range(5):
            await http.exchange(submit(peer.url))
        await ask(http, submit(peer.url))
        await ask(http, Request("GET", f"http://127.0.0.1:{closed_port()}/", "query"))
        text = generate_latest(registry).decode()
    labels = 'operation="{}",outcome="{}",rail="testrail",sent="{}"'
    assert f"omniroute_rail_exchanges_total{{{labels.format('submit', '5xx', 'yes')}}} 5.0" in text
    assert f"omniroute_rail_exchanges_total{{{labels.format('submit', 'failed', 'no')}}} 1.0" in text
    assert f"omniroute_rail_exchanges_total{{{labels.format('query', 'failed', 'no')}}} 1.0" in text
    assert 'omniroute_rail_breakers_open{rail="testrail"} 1.0' in text
    assert 'omniroute_rail_exchanges_in_flight{rail="testrail"} 0.0' in text
    assert 'omniroute_rail_breakers_open{rail="testrail"} 0.0' in generate_latest(registry).decode()


async def test_one_client_a_connection_until_its_certificates_change() -> None:
    clients = RailClients(clock=SystemClock(), registry=CollectorRegistry())
    first = await clients.client("nip", "con_1")
    assert await clients.client("nip", "con_1") is first
    assert await clients.client("nip", "con_2") is not first
    assert await clients.client("nip", "con_1", tls=Tls(server_name="bank")) is not first
    await clients.drop("nip", "con_1")
    await clients.aclose()
