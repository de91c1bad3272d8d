"""What every connector keeps to, whatever its rail: one suite, each connector against the sandbox of its rail.

Codes, texts and forms of a rail are tested in its own folder; here stands what the core relies on.
"""

import asyncio
import dataclasses
import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
import structlog

from omniroute.connectors.airtel import Airtel
from omniroute.connectors.gsma import Gsma
from omniroute.connectors.mpesa import MpesaConnector
from omniroute.connectors.mtn_momo import MtnMomo
from omniroute.connectors.nip import NipConnector, NipRestConnector
from omniroute.infra.http import ExchangeFailed, Reply, Request, Sent
from omniroute.kit.currency import EXPONENTS
from omniroute.kit.money import Money, decimal_text
from omniroute.ports.rails import (
    Callback,
    CodeClass,
    Connector,
    EventKind,
    NotSent,
    Outcome,
    Party,
    PartyKind,
    Payout,
    RailAnswerUnreadable,
    RailEvent,
    RailUnable,
    Result,
    Trust,
)
from omniroute.sandbox.airtel import AirtelSandbox
from omniroute.sandbox.faults import Fault, FaultPlan
from omniroute.sandbox.gsma import GsmaSandbox
from omniroute.sandbox.mpesa import MpesaSandbox
from omniroute.sandbox.mtn_momo import MtnMomoSandbox
from omniroute.sandbox.nip import NipRestSandbox, NipSandbox
from omniroute.sandbox.world import LATE
from tests.sandbox.driving import FINAL, START, Drive, drive


@dataclass(frozen=True)
class Rail:
    """A connector, who it can pay, and what is particular about its rail."""

    connector: Connector
    sandbox: Any
    currency: str
    payee: Party
    reference: str  # What a legal reference looks like.
    said: tuple[bytes, bytes]  # The word of a good answer to an order, and one in its place that nobody listed.
    calls: bool = True  # The rail calls back with the result of an order.
    signs_address: bool = True  # Its calls come to an address that only we can make.


def _wallet(number: str) -> Party:
    return Party(PartyKind.MSISDN, number)


_ACCOUNT = Party(PartyKind.BANK_ACCOUNT, "2222002345", "000013")
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UUID_4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

RAILS = [
    Rail(
        NipConnector(), NipSandbox, "NGN", _ACCOUNT, r"\d{30}",
        (rb"ResponseCode&gt;00&lt;", b"ResponseCode&gt;7Q&lt;"), calls=False,
    ),
    Rail(
        NipRestConnector(), NipRestSandbox, "NGN", _ACCOUNT, r"\d{30}",
        (rb'"responseCode": ?"00"', b'"responseCode": "7Q"'), calls=False,
    ),
    Rail(
        MpesaConnector(), MpesaSandbox, "KES", _wallet("254708374149"), r"[A-Za-z0-9_-]{10,32}",
        (rb'"ResponseCode": ?"0"', b'"ResponseCode": "7"'),
    ),
    Rail(MtnMomo(), MtnMomoSandbox, "UGX", _wallet("256772123456"), _UUID_4, (rb"HTTP 202", b"HTTP 299")),
    Rail(
        Airtel(), AirtelSandbox, "KES", _wallet("254733123456"), r"[0-9a-f]{32}",
        (rb'"(DP009\d+|TIP|TS)"', b'"DP00900007777"'), signs_address=False,
    ),
    Rail(
        Gsma(), GsmaSandbox, "GHS", _wallet("233555123456"), _UUID,
        (rb'"status": ?"(pending|completed)"', b'"status": "strange"'),
    ),
]  # fmt: skip
each_rail = pytest.mark.parametrize("rail", RAILS, ids=lambda rail: rail.connector.rail)
those_that_call = pytest.mark.parametrize(
    "rail", [rail for rail in RAILS if rail.calls], ids=lambda rail: rail.connector.rail
)


@dataclass
class Desk:
    """A connection to a running sandbox, and the few steps that every test takes."""

    rail: Rail
    driven: Drive

    async def order(self, minor: int = 5_000_00) -> Payout:
        """An order as the core makes it: the holder is known where the rail tells one."""
        connector, context = self.rail.connector, self.driven.context
        made = dataclasses.replace(self.driven.make(minor, ""), payee=self.rail.payee)
        if self.rail.payee.kind is not PartyKind.BANK_ACCOUNT:
            return made
        enquiry = connector.build_reference(context.credentials.public, uuid.uuid4(), self.driven.clock.at)
        holder = await connector.resolve_party(context, self.rail.payee, our_ref=enquiry)
        return dataclasses.replace(made, holder=holder)

    async def learn(self, payout: Payout, provider_ref: str | None = None, **wait: float) -> Result:
        """Ask once, after a while; where the answer comes by a call, hear it."""
        await self.driven.pass_time(**(wait or {"minutes": 2}))
        heard = len(self.driven.heard)
        result = await self.rail.connector.query(self.driven.context, payout, provider_ref)
        if result.outcome is not Outcome.ASKED:
            return result
        for _ in range(50):
            await self.driven.pass_time(seconds=2)
            answers = [
                event.result
                for event in self.events(heard)
                if event.kind is EventKind.QUERY_RESULT and event.trust is Trust.VERIFIED
            ]
            if answers:
                return answers[-1]
            await asyncio.sleep(0.01)
        raise AssertionError("the rail never answered")

    def events(self, since: int = 0, *, authentic: bool = True) -> list[RailEvent]:
        """What the calls said, in the order in which they came."""
        read = self.rail.connector.read_callback
        return [
            event
            for call in self.driven.heard[since:]
            for event in read(self.driven.context, self.driven.callback(call, authentic=authentic))
        ]


@asynccontextmanager
async def at(rail: Rail, *faults: Fault) -> AsyncIterator[Desk]:
    """A connection; every order has one of these faults, if any are given."""
    plan = FaultPlan(percent=100, faults=faults) if faults else FaultPlan()
    async with drive(
        rail.connector, rail.sandbox, lambda one: one.currency == rail.currency, plan=plan, funds_minor=10**12
    ) as driven:
        if not rail.signs_address:  # Where it calls is set in its portal.
            address = {"url": driven.context.callback_url("payout", "portal")}
            async with httpx.AsyncClient() as portal:
                await portal.put(f"{driven.context.credentials.endpoint}/portal/callback", json=address)
        yield Desk(rail, driven)


class Between:
    """Stands between connector and network; passes on, or does what the test says."""

    def __init__(self, http: Any, *, reply: Callable[[Request, Reply], Reply] | None = None) -> None:
        self.http, self.reply, self.orders = http, reply, list[Request]()

    async def exchange(self, request: Request) -> Reply:
        if request.submit:
            self.orders.append(request)
            if self.reply is None:
                raise ExchangeFailed("the test took it away", sent=Sent.MAYBE)
        answer: Reply = await self.http.exchange(request)
        return self.reply(request, answer) if request.submit and self.reply is not None else answer


# -- codes ------------------------------------------------------------------------------------------------------------


@each_rail
@pytest.mark.parametrize("code", [None, "", "no-such-code", "7Q", "-1", "0.0", "\uff10", "SUCCESSFUL ", "null"])
def test_a_code_nobody_listed_is_unknown_in_every_phase(rail: Rail, code: str | None) -> None:
    tables = rail.connector.codes()
    assert {"submit", "query"} <= set(tables)
    for table in tables.values():
        entry = table.find(code)
        assert (entry.outcome, entry.code_class) == (Outcome.UNKNOWN, CodeClass.UNKNOWN)
        assert entry.operator
        assert entry.customer


@each_rail
async def test_an_answer_with_an_unlisted_word_is_unknown_on_the_wire(rail: Rail) -> None:
    listed, strange = rail.said

    def tamper(request: Request, reply: Reply) -> Reply:
        if listed.startswith(b"HTTP"):
            return dataclasses.replace(reply, status=int(strange.split()[1]))
        body, times = re.subn(listed, strange, reply.body)
        assert times, reply.body
        return dataclasses.replace(reply, body=body)

    async with at(rail) as desk:
        payout = await desk.order()
        between = Between(desk.driven.context.http, reply=tamper)
        result = await rail.connector.submit(dataclasses.replace(desk.driven.context, http=between), payout)
        assert len(between.orders) == 1
        assert result.outcome is Outcome.UNKNOWN
        assert (await desk.learn(payout)).outcome is Outcome.SUCCEEDED
        assert desk.driven.debits(payout) == 1


# -- time-outs --------------------------------------------------------------------------------------------------------


@each_rail
@pytest.mark.parametrize("logged_in", [False, True])
async def test_where_nothing_listens_the_order_is_not_sent(rail: Rail, logged_in: bool) -> None:
    async with at(rail) as desk:
        payout = await desk.order()
        if logged_in:
            await rail.connector.fetch_balances(desk.driven.context)
        credentials = dataclasses.replace(desk.driven.context.credentials, endpoint="http://127.0.0.1:9")
        nobody = dataclasses.replace(desk.driven.context, credentials=credentials)
        with pytest.raises(NotSent):
            await rail.connector.submit(nobody, payout)
        assert desk.driven.world.transfers() == []
        assert (await desk.learn(payout)).outcome is Outcome.NOT_FOUND


@each_rail
@pytest.mark.parametrize(
    ("fault", "known", "debits"),
    [
        (Fault.LOST_REPLY, Outcome.SUCCEEDED, 1),
        (Fault.ERROR_AFTER, Outcome.SUCCEEDED, 1),
        (Fault.LOST_REQUEST, Outcome.NOT_FOUND, 0),
        (Fault.ERROR_BEFORE, Outcome.NOT_FOUND, 0),
    ],
)
async def test_without_an_answer_nothing_is_known_until_the_rail_is_asked(
    rail: Rail, fault: Fault, known: Outcome, debits: int
) -> None:
    async with at(rail, fault) as desk:
        payout = await desk.order()
        sent = await desk.driven.send(payout)
        assert sent is None or sent.outcome is Outcome.UNKNOWN
        told = await desk.learn(payout)
        assert told.outcome is known
        assert desk.driven.debits(payout) == debits


@each_rail
async def test_a_crash_at_any_moment_leaves_an_order_that_can_be_asked_about(rail: Rail) -> None:
    async with at(rail) as desk:
        await rail.connector.fetch_balances(desk.driven.context)
        for steps in (1, 4, 9, 16, 25):
            payout = await desk.order()
            task = asyncio.create_task(rail.connector.submit(desk.driven.context, payout))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0.01)  # What had left may still be on its way in.
            known = await desk.learn(payout)
            assert known.outcome is (Outcome.SUCCEEDED if desk.driven.debits(payout) else Outcome.NOT_FOUND)
            assert desk.driven.debits(payout) <= 1


# -- repeats, amounts told, what is not found -------------------------------------------------------------------------


@each_rail
async def test_the_same_reference_again_takes_no_more_money_and_asks_for_no_new_send(rail: Rail) -> None:
    async with at(rail) as desk:
        payout = await desk.order()
        answers = [await desk.driven.send(payout) for _ in range(3)]
        for answer in answers:
            assert answer is not None
            assert answer.outcome not in (Outcome.DECLINED, Outcome.NOT_SENT, Outcome.NOT_FOUND)
        assert (await desk.learn(payout)).outcome is Outcome.SUCCEEDED
        assert desk.driven.debits(payout) == 1


@each_rail
async def test_another_amount_than_ordered_is_told_as_it_is(rail: Rail) -> None:
    async with at(rail, Fault.WRONG_AMOUNT) as desk:
        payout = await desk.order()
        sent = await desk.driven.send(payout)
        assert sent is not None
        told = [sent, await desk.learn(payout, sent.provider_ref), *(event.result for event in desk.events())]
        amounts = {one.amount for one in told if one.amount is not None}
        assert payout.amount not in amounts
        # Airtel echoes no amount anywhere: there only the statement of its portal can show it.
        assert len(amounts) == (0 if rail.connector.rail == "airtel" else 1)
        assert desk.driven.debits(payout) == 1


@each_rail
async def test_not_found_is_believed_only_when_no_late_success_can_come(rail: Rail) -> None:
    policy = rail.connector.policy()
    assert policy.not_found_times >= 2
    assert policy.not_found_after > LATE or policy.not_found_needs_statement
    assert policy.query_for >= policy.not_found_after
    async with at(rail, Fault.LATE_SUCCESS) as desk:
        payout = await desk.order()
        sent = await desk.driven.send(payout)
        assert sent is None or sent.outcome in (Outcome.UNKNOWN, Outcome.PENDING, Outcome.SUCCEEDED)
        if sent is None or sent.outcome is not Outcome.SUCCEEDED:
            early = await desk.learn(payout)
            assert early.outcome in (Outcome.NOT_FOUND, Outcome.UNKNOWN, Outcome.PENDING)
        await desk.driven.pass_time(seconds=LATE.total_seconds() + 60)
        late = await desk.learn(payout, minutes=30)
        # NIP answers questions for a day only; after that its report of the day it was paid tells.
        assert late.outcome is Outcome.SUCCEEDED or policy.not_found_needs_statement
        assert desk.driven.debits(payout) == 1


# -- calls ------------------------------------------------------------------------------------------------------------


async def _heard(desk: Desk, payout: Payout, calls: int) -> None:
    await desk.driven.send(payout)
    await desk.driven.pass_time(seconds=30)
    await desk.driven.pass_time(minutes=10)
    await desk.driven.hears(calls)


@those_that_call
async def test_a_call_that_comes_again_has_the_same_key_and_is_a_hint_at_most(rail: Rail) -> None:
    async with at(rail, Fault.DUPLICATE_CALLBACK) as desk:
        payout = await desk.order()
        await _heard(desk, payout, 3)
        events = desk.events()
        assert len({event.key for event in events}) == 1
        assert {event.trust for event in events} == {Trust.HINT}
        assert {event.result.our_ref for event in events} == {payout.our_ref}


@those_that_call
async def test_a_call_before_the_reply_says_no_more_than_one_after_it(rail: Rail) -> None:
    async with at(rail, Fault.EARLY_CALLBACK) as desk:
        payout = await desk.order()
        await _heard(desk, payout, 1)
        (event,) = desk.events()
        assert (event.trust, event.result.outcome, event.result.our_ref) == (
            Trust.HINT, Outcome.SUCCEEDED, payout.our_ref,
        )  # fmt: skip
        assert (await desk.learn(payout)).outcome is Outcome.SUCCEEDED


@those_that_call
async def test_calls_say_the_same_in_any_order(rail: Rail) -> None:
    async with at(rail) as desk:
        payouts = [await desk.order(10_000 * number) for number in range(1, 5)]
        for payout in payouts:
            await desk.driven.send(payout)
            await desk.driven.pass_time(seconds=30)
        await desk.driven.pass_time(seconds=30)
        await desk.driven.hears(4)
        forward = desk.events()
        desk.driven.heard.reverse()
        assert list(reversed(desk.events())) == forward
        assert {event.result.our_ref for event in forward} == {payout.our_ref for payout in payouts}
        assert len({event.key for event in forward}) == 4


@those_that_call
async def test_a_forged_call_moves_nothing(rail: Rail) -> None:
    async with at(rail, Fault.DECLINED) as desk:
        payout = await desk.order()
        await _heard(desk, payout, 1)
        expected = Trust.REJECTED if rail.signs_address else Trust.HINT
        assert {event.trust for event in desk.events(authentic=False)} == {expected}
        assert (await desk.learn(payout)).outcome is Outcome.DECLINED
        assert desk.driven.debits(payout) == 0


GARBAGE = [
    b"", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 50_000, b'{"Result": {}}', b"<a>", b'<?xml version="1.0"?><b/>',
    b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
]  # fmt: skip


@each_rail
@pytest.mark.parametrize("authentic", [True, False])
async def test_a_call_that_says_nothing_decides_nothing(rail: Rail, authentic: bool) -> None:
    async with at(rail) as desk:
        for body in GARBAGE:
            for purpose in ("payout", "r", "v", ""):
                callback = Callback(body, {}, purpose, "some-reference", authentic, START)
                rail.connector.acknowledge(callback)
                try:
                    events = rail.connector.read_callback(desk.driven.context, callback)
                except RailAnswerUnreadable:
                    continue
                assert not [event for event in events if event.result.outcome in FINAL], body
                assert authentic or Trust.VERIFIED not in {event.trust for event in events}


# -- amounts ----------------------------------------------------------------------------------------------------------

AMOUNTS = [
    Money(minor, currency)
    for currency in ("UGX", "RWF", "XAF", "KES", "NGN", "GHS", "EUR", "BHD", "KWD", "TND")
    for minor in (1, 73_519, 7_351_900, 735_190_000)
]


@each_rail
async def test_an_amount_is_refused_or_written_exactly(rail: Rail) -> None:
    async with at(rail) as desk:
        template = await desk.order()
        await rail.connector.fetch_balances(desk.driven.context)
        between = Between(desk.driven.context.http)
        context = dataclasses.replace(desk.driven.context, http=between)
        sent: list[Money] = []
        for amount in AMOUNTS:
            payout = dataclasses.replace(template, amount=amount)
            try:
                rail.connector.check(payout)
                await rail.connector.submit(context, payout)
            except (RailUnable, NotSent):
                continue
            except ExchangeFailed:
                sent.append(amount)
            written = between.orders[-1].body.decode()
            numbers = {Decimal(number) for number in re.findall(r"(?<![0-9.])[0-9]+(?:\.[0-9]+)?(?![0-9.])", written)}
            assert Decimal(decimal_text(amount.amount_minor, EXPONENTS[amount.currency])) in numbers, amount
        assert len(between.orders) == len(sent)
        assert {amount.currency for amount in sent} <= rail.connector.capabilities().currencies
        assert Money(7_351_900, rail.currency) in sent


# -- references and secrets -------------------------------------------------------------------------------------------


@each_rail
async def test_references_are_repeatable_legal_and_different(rail: Rail) -> None:
    async with at(rail) as desk:
        public = desk.driven.context.credentials.public
    attempts = [uuid.UUID(int=(number << 64) + number * 7919) for number in range(3_000)]
    made = [rail.connector.build_reference(public, attempt, START) for attempt in attempts]
    assert made == [rail.connector.build_reference(public, attempt, START) for attempt in attempts]
    assert len(set(made)) == len(made)
    assert [one for one in made if re.fullmatch(rail.reference, one) is None] == []
    later = rail.connector.build_reference(public, attempts[0], START + timedelta(days=400))
    assert re.fullmatch(rail.reference, later)


@each_rail
async def test_no_secret_is_in_any_log_line(rail: Rail) -> None:
    async with at(rail, Fault.NONE, Fault.ERROR_AFTER, Fault.LOST_REPLY, Fault.DECLINED) as desk:
        with structlog.testing.capture_logs() as lines:
            for _ in range(6):
                payout = await desk.order()
                sent = await desk.driven.send(payout)
                await desk.learn(payout, sent.provider_ref if sent else None)
            await rail.connector.fetch_balances(desk.driven.context)
        shown = repr(lines)
        context = desk.driven.context
        secrets = [value for name, value in context.credentials.secret.items() if name != "pin"]  # As short as a year.
        secrets += [kept for kept, _ in context.tokens._kept.values()]  # type: ignore[attr-defined]
        assert any(line["event"] == "exchange" for line in lines)
        assert [secret for secret in secrets if secret in shown] == []
        assert re.search(r"[A-Za-z0-9+/]{300,}", shown) is None  # As long as anything encrypted.
        assert shown.count("calls/") == 0  # Who reads where we are called could call in the rail's place.
