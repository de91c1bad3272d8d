"""`sent` is the truth: the peer's own count of bytes is compared with it, whatever the peer does."""

import asyncio
import socket

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.infra.http import ExchangeFailed, Limits, Request, Sent
from tests.infra.http.peer import OK, Caller, Peer, Script, ask, client, closed_port, query, replies, serve, submit

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: "


async def closes_at_once(caller: Caller) -> None:
    caller.close()


async def resets_at_once(caller: Caller) -> None:
    caller.reset()


async def speaks_first(caller: Caller) -> None:
    await caller.say(b"220 mail.example ESMTP\r\n")
    await caller.drain_input()


async def reads_and_closes(caller: Caller) -> None:
    await caller.request()


async def reads_and_resets(caller: Caller) -> None:
    await caller.request()
    caller.reset()


async def never_answers(caller: Caller) -> None:
    await caller.request()
    await caller.drain_input()


async def stops_in_the_head(caller: Caller) -> None:
    await caller.request()
    await caller.say(b"HTTP/1.1 200 OK\r\nContent-Le")


async def hangs_in_the_head(caller: Caller) -> None:
    await caller.request()
    await caller.say(b"HTTP/1.1 200 OK\r\n")
    await caller.drain_input()


async def stops_in_the_body(caller: Caller) -> None:
    await caller.request()
    await caller.say(HEAD + b"100\r\n\r\nhalf")


async def hangs_in_the_body(caller: Caller) -> None:
    await caller.request()
    await caller.say(HEAD + b"100\r\n\r\nhalf")
    await caller.drain_input()


async def trickles(caller: Caller) -> None:
    await caller.request()
    await caller.say(HEAD + b"100000\r\n\r\n")
    for _ in range(1_000):
        await caller.say(b"x")
        await asyncio.sleep(0.02)


async def sends_a_bad_chunk(caller: Caller) -> None:
    await caller.request()
    await caller.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n")


async def sends_no_last_chunk(caller: Caller) -> None:
    await caller.request()
    await caller.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")


async def sends_no_http(caller: Caller) -> None:
    await caller.request()
    await caller.say(b"\x00\x01\x02 this is not HTTP\r\n\r\n")


async def sends_a_huge_head(caller: Caller) -> None:
    await caller.request()
    await caller.say(b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 200_000 + b"\r\n\r\n")


async def sends_a_huge_body(caller: Caller) -> None:
    await caller.request()
    await caller.say(HEAD + b"5000000\r\n\r\n" + b"x" * 5_000_000)


async def sends_a_wrong_length(caller: Caller) -> None:
    await caller.request()
    await caller.say(HEAD + b"9, 10\r\n\r\nnonsense")


FAILURES: list[Script] = [
    closes_at_once,
    resets_at_once,
    speaks_first,
    reads_and_closes,
    reads_and_resets,
    never_answers,
    stops_in_the_head,
    hangs_in_the_head,
    stops_in_the_body,
    hangs_in_the_body,
    trickles,
    sends_a_bad_chunk,
    sends_no_last_chunk,
    sends_no_http,
    sends_a_huge_head,
    sends_a_huge_body,
    sends_a_wrong_length,
]


def assert_true(failure: ExchangeFailed, peer: Peer) -> None:
    """NO is a proof; after it the peer has not got a single byte."""
    if failure.sent is Sent.NO:
        assert not peer.received
    if peer.received:
        assert failure.sent is Sent.MAYBE


@pytest.mark.parametrize("script", FAILURES, ids=lambda script: script.__name__)
async def test_no_reply_says_truly_whether_bytes_left(script: Script) -> None:
    async with serve(script) as peer, client(limits=Limits(response_bytes_max=1_000_000)) as http:
        with pytest.raises(ExchangeFailed) as failure:
            await http.exchange(submit(peer.url, connect_timeout_s=1, deadline_s=0.3))
        await asyncio.sleep(0.02)  # What is under way arrives.
        assert_true(failure.value, peer)
        assert peer.requests <= 1


@pytest.mark.parametrize("script", FAILURES[3:], ids=lambda script: script.__name__)
async def test_after_the_peer_read_it_is_never_no(script: Script) -> None:
    async with serve(script) as peer, client(limits=Limits(response_bytes_max=1_000_000)) as http:
        with pytest.raises(ExchangeFailed) as failure:
            await http.exchange(submit(peer.url, deadline_s=0.3))
        assert peer.requests == 1
        assert failure.value.sent is Sent.MAYBE


async def test_a_refused_connection_is_no() -> None:
    async with client() as http:
        with pytest.raises(ExchangeFailed, match="refused") as failure:
            await http.exchange(submit(f"http://127.0.0.1:{closed_port()}/pay"))
        assert failure.value.sent is Sent.NO


async def test_a_name_that_does_not_exist_is_no() -> None:
    async with client() as http:
        with pytest.raises(ExchangeFailed, match="no connection") as failure:
            await http.exchange(submit("http://no-such-rail.invalid/pay"))
        assert failure.value.sent is Sent.NO


async def test_a_connection_that_never_comes_is_no() -> None:
    """A listener whose queue is full: the handshake of TCP never ends."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = [socket.socket() for _ in range(4)]
        for one in held:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with client() as http:
            with pytest.raises(ExchangeFailed, match="no connection in time") as failure:
                await http.exchange(submit(f"http://127.0.0.1:{full.getsockname()[1]}/pay", connect_timeout_s=1))
        for one in held:
            one.close()
    assert failure.value.sent is Sent.NO


@pytest.mark.parametrize(
    ("url", "headers", "method"),
    [
        ("ftp://127.0.0.1/pay", {}, "POST"),
        ("http://user:secret@127.0.0.1/pay", {}, "POST"),
        ("http://127.0.0.1:99999/pay", {}, "POST"),
        ("http://127.0.0.1/a b", {}, "POST"),
        ("http://127.0.0.1/\r\nX: y", {}, "POST"),
        ("/pay", {}, "POST"),
        ("{peer}", {"X-Name": "a\r\nInjected: yes"}, "POST"),
        ("{peer}", {"X Name": "a"}, "POST"),
        ("{peer}", {"X-Name": "\u20ac"}, "POST"),
        ("{peer}", {"Upgrade": "websocket"}, "POST"),
        ("{peer}", {}, "CONNECT"),
        ("{peer}", {}, "GE T"),
    ],
)
async def test_a_request_that_is_not_legal_is_no(url: str, headers: dict[str, str], method: str) -> None:
    async with serve(replies) as peer, client() as http:
        with pytest.raises(ExchangeFailed) as failure:
            await http.exchange(Request(method, url.replace("{peer}", peer.url), "submit", headers, b"x", submit=True))
        assert failure.value.sent is Sent.NO
        assert "secret" not in str(failure.value)
        assert not peer.received


async def test_a_connection_closed_while_idle_is_not_written_to() -> None:
    """The peer closes between two orders; the second goes over a new connection, once."""

    async def closes_after_one(caller: Caller) -> None:
        await caller.request()
        await caller.say(OK)

    async with serve(closes_after_one) as peer, client() as http:
        for _ in range(5):
            assert (await http.exchange(submit(peer.url))).status == 200
            await asyncio.sleep(0.02)
        assert (peer.requests, peer.connections) == (5, 5)


async def test_a_connection_closed_in_the_same_moment_is_no_or_maybe_but_never_twice() -> None:
    """No pause between reply and next order: the close may be under way. Whatever is said is true."""

    async def closes_after_one(caller: Caller) -> None:
        before = len(caller.peer.received)
        await caller.request()
        await caller.say(OK)
        if caller.number == 1:
            caller.reset()
        assert len(caller.peer.received) > before

    async with serve(closes_after_one) as peer, client() as http:
        assert (await http.exchange(submit(peer.url))).status == 200
        outcome = await ask(http, submit(peer.url))
        if isinstance(outcome, ExchangeFailed):
            assert outcome.sent is Sent.MAYBE or peer.requests == 1
        assert peer.requests <= 2


async def test_bytes_after_a_reply_never_become_the_next_reply() -> None:
    async def says_too_much(caller: Caller) -> None:
        while await caller.request():
            await caller.say(OK + b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"code":"EVIL"}')

    async with serve(says_too_much) as peer, client() as http:
        for _ in range(3):
            assert (await http.exchange(submit(peer.url))).body == b'{"code":"00"}'
        assert peer.connections == 3


async def test_a_line_is_kept_and_used_again() -> None:
    async with serve(replies) as peer, client() as http:
        for _ in range(10):
            assert (await http.exchange(submit(peer.url))).status == 200
        assert (peer.connections, peer.requests) == (1, 10)


async def test_called_off_in_the_middle_the_line_is_not_used_again() -> None:
    async def slow_first(caller: Caller) -> None:
        while await caller.request():
            if caller.number == 1:
                await asyncio.sleep(0.1)
            await caller.say(OK)

    async with serve(slow_first) as peer, client() as http:
        task = asyncio.create_task(http.exchange(submit(peer.url)))
        await peer.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await http.exchange(submit(peer.url))).status == 200
        assert peer.connections == 2


async def test_tries_of_a_query_add_up_to_maybe() -> None:
    """The first try is read and reset, then nobody listens: bytes of the first did arrive."""

    async def last_act(caller: Caller) -> None:
        await caller.request()
        caller.peer.stop_listening()
        caller.reset()

    async with serve(last_act) as peer, client() as http:
        with pytest.raises(ExchangeFailed, match="refused") as failure:
            await http.exchange(query(peer.url))
        assert peer.requests == 1
        assert failure.value.sent is Sent.MAYBE


@pytest.mark.parametrize("script", FAILURES, ids=lambda script: script.__name__)
def test_under_the_loop_of_production_it_is_as_true(script: Script) -> None:
    async def run() -> None:
        async with serve(script) as peer, client(limits=Limits(response_bytes_max=1_000_000)) as http:
            outcome = await ask(http, submit(peer.url, deadline_s=0.3))
            await asyncio.sleep(0.02)
            assert isinstance(outcome, ExchangeFailed)
            assert_true(outcome, peer)
            assert outcome.sent is Sent.MAYBE or not peer.requests
            refused = await ask(http, submit(f"http://127.0.0.1:{closed_port()}/pay"))
            assert isinstance(refused, ExchangeFailed)
            assert refused.sent is Sent.NO

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, len(OK)),
    ending=st.sampled_from(["close", "reset", "hang"]),
    reads=st.booleans(),
    pieces=st.integers(1, 5),
)
def test_any_cut_reply_is_told_truly(cut: int, ending: str, reads: bool, pieces: int) -> None:
    async def script(caller: Caller) -> None:
        if reads:
            await caller.request()
        step = max(1, cut // pieces)
        for start in range(0, cut, step):
            await caller.say(OK[start : min(start + step, cut)])
        if ending == "reset":
            caller.reset()
        elif ending == "hang":
            await caller.drain_input()

    async def run() -> None:
        async with serve(script) as peer, client() as http:
            outcome = await ask(http, submit(peer.url, deadline_s=0.3))
            if isinstance(outcome, ExchangeFailed):
                await asyncio.sleep(0.005)
                assert_true(outcome, peer)
                assert outcome.sent is Sent.MAYBE or not peer.requests
            else:
                assert cut == len(OK)
                assert outcome.body == b'{"code":"00"}'

    asyncio.run(run())
