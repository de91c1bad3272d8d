"""Between us and the bank: a file is delivered once, or not at all, or nobody knows; and then it is never repeated."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from psycopg.errors import IntegrityError

from omniroute.infra.http import ExchangeFailed, RailClients, Reply, Request, Sent
from omniroute.infra.postgres import Database
from omniroute.money import payments
from omniroute.money.payments import Folders
from omniroute.sandbox.bank_files import Said, read_orders, write_report
from omniroute.sandbox.faults import HEADER, Fault
from omniroute.sandbox.server import Sandbox
from omniroute.sandbox.wire import WireCall, WireReply, WireServer
from tests.money.payments import filing as filings
from tests.money.payments.filing import Filing
from tests.money.payments.house import META, START, WALLET, today

FULL = 1_000_000_00
Build = Callable[..., Any]


class Line:
    """An HTTP client that does as it is told, in order; then it takes everything."""

    def __init__(self, *ends: Reply | BaseException) -> None:
        self.ends = list(ends)
        self.requests: list[Request] = []

    async def exchange(self, request: Request) -> Reply:
        self.requests.append(request)
        end = self.ends.pop(0) if self.ends else Reply(202, {}, b"")
        if isinstance(end, BaseException):
            raise end
        return end


@pytest.fixture
def build(app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path) -> Build:
    async def make(**options: Any) -> Filing:
        return await filings.build(app_db, worker_db, owner_db, tmp_path, **options)

    return make


async def send_now(filing: Filing) -> list[UUID]:
    return await filing.sender.send_now(filing.house.tenant_id, filing.connection_id)


async def the_file(filing: Filing) -> payments.RailFileView:
    (file,) = await filing.files()
    return file


async def answer(filing: Filing, status: str = "ACSC") -> dict[str, Any]:
    content = await filing.content(await the_file(filing))
    return await filing.hear(write_report(read_orders(content), "R1", filing.house.clock.at, group=Said(status)))


async def test_who_dies_between_file_and_delivery_loses_nothing(build: Build) -> None:
    filing = await build()
    house = filing.house
    made = await house.initiated(filing.order(), filing.order())
    await send_now(filing)
    content = await filing.content(await the_file(filing))
    assert await filing.attempt_states(made) == ["sending"] * 2
    await house.dispatcher.recover()
    await house.dispatcher.send()
    assert await filing.attempt_states(made) == ["sending"] * 2  # Nobody else lays hands on them.

    heir = filing.make_sender("files-2")
    await heir.recover()
    assert await heir.deliver() == 1
    (path,) = filing.folder.outbox.iterdir()
    assert path.read_bytes() == content
    assert await filing.attempt_states(made) == ["pending"] * 2
    assert await heir.deliver() == await filing.sender.deliver() == 0


async def test_who_dies_while_delivering_leaves_doubt_that_only_the_bank_ends(build: Build) -> None:
    line = Line(asyncio.CancelledError())
    filing = await build(endpoint="http://bank", http=line)
    house = filing.house
    made = await house.initiated(filing.order(), filing.order())
    await send_now(filing)
    with pytest.raises(asyncio.CancelledError):
        await filing.sender.deliver()
    heir = filing.make_sender("files-2")
    assert (await heir.recover(), await heir.deliver()) == (0, 0)
    house.clock.at += timedelta(minutes=10)
    assert await heir.recover() == 1
    assert (await the_file(filing)).state == "doubtful"
    assert await filing.attempt_states(made) == ["unknown"] * 2
    await filing.pass_time(days=2, step=timedelta(hours=3))
    assert len(line.requests) == 1
    assert await filing.attempt_states(made) == ["unknown"] * 2
    assert await house.balances(WALLET) == [(FULL, FULL - 10_000)]

    await answer(filing)
    assert (await the_file(filing)).state == "delivered"
    assert await filing.stands(made) == ["succeeded"] * 2
    assert await house.balances(WALLET) == [(FULL - 10_000,) * 2]


@pytest.mark.parametrize(
    "end",
    [
        ExchangeFailed("no reply", sent=Sent.MAYBE),
        Reply(503, {}, b""),
        Reply(401, {}, b""),
        Reply(409, {}, b"duplicate"),
        Reply(302, {}, b""),
    ],
)  # fmt: skip
async def test_what_may_have_arrived_is_not_sent_again(build: Build, end: Reply | ExchangeFailed) -> None:
    line = Line(end)
    filing = await build(endpoint="http://bank", http=line)
    made = await filing.house.initiated(filing.order())
    await send_now(filing)
    await filing.sender.deliver()
    file = await the_file(filing)
    assert (file.state, file.sent_at) == ("doubtful", None)
    await filing.pass_time(days=7, step=timedelta(hours=8))
    assert len(line.requests) == 1
    assert await filing.stands(made) == ["needs_review"]  # After five days a person calls the bank.
    assert await filing.house.balances(WALLET) == [(FULL, FULL - 5_000)]
    await answer(filing, "RJCT")
    assert await filing.stands(made) == ["failed"]
    assert await filing.house.balances(WALLET) == [(FULL, FULL)]


async def test_what_certainly_did_not_arrive_goes_again_as_the_same_bytes(build: Build) -> None:
    line = Line(*[ExchangeFailed("refused", sent=Sent.NO)] * 2)
    filing = await build(endpoint="http://bank", http=line)
    house = filing.house
    made = await house.initiated(filing.order())
    await send_now(filing)
    for pause in (30, 120, 1):
        await filing.sender.deliver()
        assert await filing.sender.deliver() == 0  # Not at once.
        house.clock.at += timedelta(seconds=pause)
    file = await the_file(filing)
    assert (file.state, file.tries) == ("delivered", 3)
    assert len({request.body for request in line.requests}) == 1
    assert await filing.attempt_states(made) == ["pending"]
    (request,) = {id(request): request for request in line.requests[-1:]}.values()
    assert request.headers["authorization"] == "Bearer SECRET-TOKEN"
    assert request.headers["x-file-name"] == file.name
    assert "SECRET" not in repr(request)
    assert "SECRET" not in repr(file)


async def test_a_full_disk_sends_nothing(build: Build) -> None:
    filing = await build()
    made = await filing.house.initiated(filing.order())

    class Full(Folders):
        def put(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

    broken = filing.make_sender("files-3")
    broken._folders = Full(filing.root)
    await broken.collect()
    await send_now(filing)
    await broken.deliver()
    file = await the_file(filing)
    assert (file.state, file.detail) == ("made", "it could not be put into the outbox: No space left on device")
    assert list(filing.folder.outbox.iterdir()) == []
    filing.house.clock.at += timedelta(minutes=1)
    await filing.sender.deliver()
    assert await filing.attempt_states(made) == ["pending"]


async def test_a_file_that_misses_its_session_is_withdrawn_and_its_orders_go_with_the_next(build: Build) -> None:
    line = Line(*[ExchangeFailed("refused", sent=Sent.NO)] * 2)
    filing = await build(endpoint="http://bank", http=line)
    house = filing.house
    made = await house.initiated(filing.order(), filing.order())
    await send_now(filing)
    await filing.sender.deliver()
    house.clock.at = START + timedelta(hours=4)  # The session was at 13:00 in Lagos, three hours after the start.
    await filing.sender.deliver()
    assert (await the_file(filing)).state == "withdrawn"
    assert await filing.stands(made) == ["approved"] * 2
    assert await house.balances(WALLET) == [(FULL, FULL - 10_000)]
    line.ends.clear()
    await filing.pass_time(hours=2)
    first, second = sorted(await filing.files(), key=lambda file: file.created_at)
    assert (first.state, second.state) == ("withdrawn", "delivered")
    assert first.message_id != second.message_id
    names = [[attempt.our_ref for attempt in await house.attempts(payment)] for payment in made]
    assert len({name for both in names for name in both}) == 4
    assert await filing.attempt_states(made) == ["not_sent", "pending"] * 2


async def test_an_answer_to_a_file_that_was_withdrawn_is_a_late_success(build: Build) -> None:
    filing = await build(endpoint="http://bank", http=Line(ExchangeFailed("refused", sent=Sent.NO)))
    house = filing.house
    made = await house.initiated(filing.order())
    await send_now(filing)
    await filing.sender.deliver()
    house.clock.at = START + timedelta(hours=4)
    await filing.sender.deliver()
    await answer(filing)  # What was certain was not true; the payment was not sent anew, so it is simply paid.
    assert await filing.stands(made) == ["succeeded"]
    await filing.pass_time(hours=20, step=timedelta(hours=1))
    assert len(await filing.files()) == 1
    assert await house.balances(WALLET) == [(FULL - 5_000,) * 2]


async def test_an_answer_before_the_delivery_is_recorded_counts(build: Build) -> None:
    filing = await build(endpoint="http://bank")
    house = filing.house
    made = await house.initiated(filing.order())

    class Quick(Line):
        async def exchange(self, request: Request) -> Reply:
            await answer(filing)
            return await super().exchange(request)

    links = house.links.links
    link = links[filing.connection_id]
    links[filing.connection_id] = replace(link, context=replace(link.context, http=Quick()))
    await send_now(filing)
    await filing.sender.deliver()
    assert await filing.stands(made) == ["succeeded"]
    assert (await the_file(filing)).state == "delivered"


async def test_what_is_not_from_the_bank_or_no_file_moves_nothing(build: Build) -> None:
    filing = await build()
    house = filing.house
    made = await house.initiated(filing.order())
    await send_now(filing)
    await filing.sender.deliver()
    file = await the_file(filing)
    paid = write_report(read_orders(await filing.content(file)), "R1", house.clock.at, group=Said("ACSC"))
    forged = await filing.hear(paid, authentic=False)
    strange = await filing.hear(paid.replace(file.message_id.encode(), b"F26030299999999999999999999999999"), "b.xml")
    entity = b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + paid.split(b"\n", 1)[1]
    bad = [await filing.hear(content, f"{n}.xml") for n, content in enumerate([entity, b"", b"<a", paid[:-20]])]
    assert forged["state"] == "rejected"
    assert strange["told"] == [{"file": "F26030299999999999999999999999999", "told": "not ours"}]
    assert [one["state"] for one in bad] == ["unreadable"] * 4
    assert await filing.attempt_states(made) == ["pending"]
    assert await house.balances(WALLET) == [(FULL, FULL - 5_000)]


async def test_an_answer_of_another_connection_is_not_believed(build: Build, tmp_path: Path) -> None:
    filing = await build()
    house = filing.house
    made = await house.initiated(filing.order())
    await send_now(filing)
    await filing.sender.deliver()
    mine = filing.connection_id
    paid = write_report(
        read_orders(await filing.content(await the_file(filing))), "R1", house.clock.at, group=Said("ACSC")
    )
    other = next(one for one in house.links.links if one != mine)
    house.links.links[other] = replace(house.links.links[mine], connection_id=other)
    filing.connection_id = other
    told = await filing.hear(paid)
    assert told["told"][0]["told"] == "not ours"
    assert await filing.attempt_states(made) == ["pending"]


async def test_an_order_no_file_carries_fails_alone(build: Build) -> None:
    filing = await build()
    house = filing.house
    good, nameless, other = await house.initiated(filing.order(), house.order(payee=filings.PAYEE), filing.order())
    await send_now(filing)
    assert (await the_file(filing)).order_count == 2
    failed = await house.now_stands(nameless)
    assert (failed.state, failed.reason) == ("failed", "rail_unable")
    assert await filing.stands([good, other]) == ["executing"] * 2
    assert await house.balances(WALLET) == [(FULL, FULL - 10_000)]


async def test_settings_that_are_not_whole_make_no_file(build: Build) -> None:
    filing = await build(public={"debtor_name": "Acme"})
    house = filing.house
    made = await house.initiated(filing.order())
    house.clock.at = START + timedelta(hours=2, minutes=50)
    assert await filing.sender.collect() == 0
    assert await filing.files() == []
    assert await filing.stands(made) == ["approved"]
    assert await house.attempts(made[0]) == []
    assert (await house.now_stands(made[0])).send_after > house.clock.at


async def test_waiting_for_the_session_it_can_be_cancelled_and_a_paused_connection_collects_nothing(
    build: Build,
) -> None:
    filing = await build()
    house = filing.house
    one, two = await house.initiated(filing.order(), filing.order())
    await filing.work()
    async with house.db.tx(house.tenant_id) as tx:
        await payments.cancel(
            tx, [one.payment_id], actor="usr_maker", now=house.clock.at, today=today(house.tenant_id), meta=META
        )
    filings.pause(filing)
    await filing.pass_time(hours=3)
    assert await filing.files() == []
    assert await filing.stands([one, two]) == ["cancelled", "approved"]
    assert await house.balances(WALLET) == [(FULL, FULL - 5_000)]


async def test_two_workers_put_each_payment_into_one_file(build: Build) -> None:
    filing = await build()
    house = filing.house
    made = await house.initiated(*[filing.order() for _ in range(300)])
    senders = [filing.make_sender(f"files-{number}") for number in range(4)]
    await asyncio.gather(*[one.send_now(house.tenant_id, filing.connection_id) for one in senders])
    await asyncio.gather(*[one.deliver() for one in senders])
    files = await filing.files()
    assert sum(file.order_count for file in files) == 300
    assert [file.state for file in files] == ["delivered"] * len(files)
    assert len(list(filing.folder.outbox.iterdir())) == len(files)
    await filing.pass_time(hours=2)
    assert await filing.stands(made) == ["succeeded"] * 300
    assert len(house.world.movements) == 300


async def test_what_a_file_says_never_changes(build: Build, owner_db: Database) -> None:
    filing = await build()
    await filing.house.initiated(filing.order())
    await send_now(filing)
    for change in ("content = 'x'", "message_id = 'y'", "state = 'doubtful'"):
        with pytest.raises(IntegrityError):
            async with owner_db.tx(filing.house.tenant_id) as tx:
                await tx.connection.execute(f"UPDATE rail_file SET {change}".encode())


async def test_an_upload_over_the_wire_with_answers_to_our_door(build: Build) -> None:
    heard: list[WireCall] = []
    both = asyncio.Event()

    async def hear(call: WireCall) -> WireReply:
        heard.append(call)
        if len(heard) == 2:
            both.set()
        return WireReply(200)

    async with WireServer(hear) as door:
        filing = await build(endpoint="http://bank", callbacks=door.url)
        house = filing.house
        clients = RailClients(clock=house.clock, registry=CollectorRegistry())
        async with Sandbox(house.world, [filing.bank]) as sandbox:
            link = house.links.links[filing.connection_id]
            credentials = replace(
                link.context.credentials, endpoint=f"{sandbox.url}/neft", secret=filing.bank.connections()[0].secret
            )
            client = await clients.client("neft", "one")
            lossy = _Lossy(client)
            context = replace(link.context, credentials=credentials, http=lossy)
            house.links.links[filing.connection_id] = replace(link, context=context)
            first = await house.initiated(filing.order(), filing.order())
            await send_now(filing)
            await filing.sender.deliver()
            assert (await the_file(filing)).state == "doubtful"  # It was taken, and the reply was lost.
            assert await filing.attempt_states(first) == ["unknown"] * 2
            house.clock.at += timedelta(hours=2)
            async with asyncio.timeout(30):
                await both.wait()
        await clients.aclose()
    assert [call.path for call in heard] == ["/file/answers/CODE"] * 2
    for call in reversed(heard):  # Out of order.
        await filing.hear(call.body, call.headers["x-file-name"])
    assert await filing.stands(first) == ["succeeded"] * 2
    assert (await the_file(filing)).state == "delivered"


class _Lossy:
    """Has the sandbox lose its reply."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def exchange(self, request: Request) -> Reply:
        headers = {**request.headers, HEADER: Fault.LOST_REPLY.value}
        reply: Reply = await self._client.exchange(replace(request, headers=headers))
        return reply


def test_folders_take_whole_files_only(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    tenant, connection = UUID(int=1), UUID(int=2)
    inbox = folders.place(tenant, connection, "inbox")
    (inbox / "half.xml.part").write_text("x")
    (inbox / ".hidden.xml").write_text("x")
    (inbox / "link.xml").symlink_to("/etc/passwd")
    growing = inbox / "a.xml"
    growing.write_text("<a>")
    assert folders.arrived(tenant, connection) == []  # It may still grow.
    growing.write_text("<a></a>")
    assert folders.arrived(tenant, connection) == []
    (arrived,) = folders.arrived(tenant, connection)
    assert arrived.content == b"<a></a>"
    folders.done(tenant, connection, arrived)
    assert folders.arrived(tenant, connection) == []
    growing.write_text("<b></b>")
    folders.arrived(tenant, connection)
    (again,) = folders.arrived(tenant, connection)
    folders.done(tenant, connection, again)
    done = folders.place(tenant, connection, "done")
    assert sorted(path.name for path in done.iterdir()) == ["a.2.xml", "a.xml"]
