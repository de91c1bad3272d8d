"""Our connector against an operator of the GSMA API over HTTP; request and reply are judged by the API's document."""

import dataclasses
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from omniroute.connectors.gsma import Gsma
from omniroute.infra.http import HttpClient, Reply, Request
from omniroute.kit.money import Money
from omniroute.ports.rails import NotSent, Outcome, Party, PartyKind, RailUnable
from omniroute.sandbox.faults import HEADER, MAGIC, Fault
from omniroute.sandbox.gsma import GsmaSandbox
from omniroute.sandbox.gsma.rail import CURRENCIES
from tests.connectors.gsma.document import document
from tests.sandbox.driving import Drive, check_calls, check_fault, check_repeat, drive

RAIL = Gsma()


class Judged:
    """Holds every request and every reply against the document."""

    def __init__(self, http: HttpClient, endpoint: str) -> None:
        self._http, self._endpoint = http, endpoint

    async def exchange(self, request: Request) -> Reply:
        operation = None if request.operation == "gsma.token" else document().check_request(request, self._endpoint)
        reply = await self._http.exchange(request)
        if operation is not None:
            document().check_reply(operation, reply.status, reply.body)
        return reply


@asynccontextmanager
async def operator(currency: str = "GHS", make: Any = GsmaSandbox, **options: Any) -> AsyncIterator[Drive]:
    async with drive(RAIL, make, lambda one: one.currency == currency, **options) as driven:
        judged = Judged(driven.context.http, driven.context.credentials.endpoint)
        driven.context = dataclasses.replace(driven.context, http=judged)
        yield driven


@pytest.fixture
async def ghana() -> AsyncIterator[Drive]:
    async with operator() as driven:
        yield driven


@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("currency", CURRENCIES)
async def test_an_order_is_paid_once_in_every_currency(currency: str, synchronous: bool) -> None:
    async with operator(currency, partial(GsmaSandbox, synchronous=synchronous)) as driven:
        before = (await RAIL.fetch_balances(driven.context))[0]
        payout = driven.make(12_345, "233555123456")
        sent = await driven.send(payout)
        assert sent is not None
        assert sent.outcome is (Outcome.SUCCEEDED if synchronous else Outcome.PENDING)
        for provider_ref in (sent.provider_ref, None):
            asked = await RAIL.query(driven.context, payout, provider_ref)
            assert (asked.outcome, asked.amount, asked.our_ref, asked.payee_identifier) == (
                Outcome.SUCCEEDED, Money(12_345, currency), payout.our_ref, "233555123456",
            )  # fmt: skip
        after = (await RAIL.fetch_balances(driven.context))[0]
        assert before.amount - after.amount == payout.amount
        page = await RAIL.fetch_statement(driven.context, driven.clock.at.date(), None)
        assert [(line.our_ref, line.amount, line.credit, line.provider_ref) for line in page.lines] == [
            (payout.our_ref, payout.amount, False, asked.provider_ref)
        ]


@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
async def test_with_every_fault_we_end_up_knowing_what_the_books_say(fault: Fault, synchronous: bool) -> None:
    digits = next(digits for digits, named in MAGIC.items() if named is fault)
    async with operator(make=partial(GsmaSandbox, synchronous=synchronous)) as driven:
        payout = driven.make(5_000, f"233555123{digits}")
        await check_fault(driven, fault, payout, tells_reversals=True, echoes=True)


async def test_the_same_order_twice_is_one_payment(ghana: Drive) -> None:
    await check_repeat(ghana, ghana.make(5_000, "233555123456"))


async def test_an_order_takes_its_time_and_costs_its_fee() -> None:
    async with operator(make=partial(GsmaSandbox, takes=timedelta(seconds=40), fee_minor=25)) as driven:
        payout = driven.make(5_000, "233555123456")
        sent = await driven.send(payout)
        assert sent is not None
        assert (await RAIL.query(driven.context, payout, sent.provider_ref)).outcome is Outcome.PENDING
        assert (await RAIL.query(driven.context, payout, None)).outcome is Outcome.PENDING
        kinds = {balance.kind: balance.amount for balance in await RAIL.fetch_balances(driven.context)}
        assert (kinds["reserved"], kinds["current"] - kinds["available"]) == (Money(5_025, "GHS"), Money(5_025, "GHS"))
        await driven.pass_time(seconds=41)
        paid = await RAIL.query(driven.context, payout, sent.provider_ref)
        assert (paid.outcome, paid.fee) == (Outcome.SUCCEEDED, Money(25, "GHS"))
        page = await RAIL.fetch_statement(driven.context, driven.clock.at.date(), None)
        assert [line.amount.amount_minor for line in page.lines] == [5_000, 25]


async def test_a_paid_order_is_given_back_once(ghana: Drive) -> None:
    payout = ghana.make(5_000, "233555123456")
    settled = await ghana.settle(payout, await ghana.send(payout))
    assert settled is not None
    assert settled.provider_ref is not None
    request = RAIL.build_reference({}, uuid.uuid4(), ghana.clock.at)
    assert (await RAIL.reverse(ghana.context, payout, settled.provider_ref, request)).outcome is Outcome.REVERSED
    assert (await RAIL.query(ghana.context, payout, settled.provider_ref)).outcome is Outcome.REVERSED
    again = [
        await RAIL.reverse(ghana.context, payout, settled.provider_ref, reference)
        for reference in (request, RAIL.build_reference({}, uuid.uuid4(), ghana.clock.at))
    ]
    assert [result.outcome for result in again] == [Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert [line.amount_minor for line in ghana.world.movements] == [-5_000, 5_000]
    page = await RAIL.fetch_statement(ghana.context, ghana.clock.at.date(), None)
    assert [line.credit for line in page.lines] == [False, True]
    assert len({line.line_id for line in page.lines}) == 2


async def test_refused_orders_move_nothing(ghana: Drive) -> None:
    payout = ghana.make(5_000, "233555123000")
    settled = await ghana.settle(payout, await ghana.send(payout))
    assert settled is not None
    assert (settled.outcome, settled.answer.code) == (Outcome.DECLINED, "identifierError")
    for account in ("somebody", "omniroute-kes"):
        async with operator(public={"account": account}) as driven:
            sent = await driven.send(driven.make(5_000, "233555123456"))
            assert sent is not None
            assert (sent.outcome, sent.answer.code) == (Outcome.DECLINED, "identifierError")
            assert driven.world.transfers() == []
    assert ghana.world.movements == []


async def test_without_funds_nothing_moves() -> None:
    async with operator(funds_minor=4_999) as driven:
        payout = driven.make(5_000, "233555123456")
        settled = await driven.settle(payout, await driven.send(payout))
        assert settled is not None
        assert (settled.outcome, settled.answer.code) == (Outcome.DECLINED, "insufficientFunds")
        assert driven.world.movements == []


async def test_calls_come_by_put_and_are_hints(ghana: Drive) -> None:
    paid, declined = ghana.make(5_000, "233555123456"), ghana.make(5_000, "233555123000")
    for payout in (paid, declined):
        await ghana.send(payout)
    await ghana.pass_time(seconds=1)
    await ghana.hears(2)
    assert [call.method for call in ghana.heard] == ["PUT", "PUT"]
    for call in ghana.heard:
        body = json.loads(call.body)
        document().check_schema("errorObject" if "errorCode" in body else "responseTransaction", body)
    told = check_calls(ghana)
    assert told == {paid.our_ref: Outcome.SUCCEEDED, declined.our_ref: Outcome.DECLINED}


async def test_a_wrong_key_sends_nothing_and_a_token_will_do() -> None:
    async with operator(secret={"api_key": "wrong"}) as driven:
        sent = await driven.send(driven.make(5_000, "233555123456"))
        assert sent is not None
        assert sent.outcome is Outcome.NOT_SENT
        assert driven.world.transfers() == []
        endpoint = driven.context.credentials.endpoint
        public = {**driven.context.credentials.public, "token_url": endpoint.removesuffix("/v1.2/mm") + "/oauth/token"}
        secret = {"consumer_key": "sandbox-consumer-key", "consumer_secret": "sandbox-consumer-secret"}
        credentials = dataclasses.replace(driven.context.credentials, public=public, secret=secret)
        with_token = dataclasses.replace(driven.context, credentials=credentials)
        payout = driven.make(5_000, "233555123456")
        assert (await RAIL.submit(with_token, payout)).outcome is Outcome.PENDING
        with_token.tokens.forget("gsma")
        credentials = dataclasses.replace(credentials, secret={**secret, "consumer_secret": "wrong"})
        with pytest.raises(NotSent):
            await RAIL.submit(dataclasses.replace(with_token, credentials=credentials), payout)
        assert len(driven.world.movements) == 1


async def test_a_body_that_was_changed_on_its_way_moves_nothing(ghana: Drive) -> None:
    async with httpx.AsyncClient(base_url=ghana.context.credentials.endpoint) as http:
        headers = {"x-api-key": "sandbox-api-key", "x-correlationid": str(uuid.uuid4()), "x-content-hash": "0" * 64}
        body = {
            "amount": "5.00",
            "currency": "GHS",
            "debitParty": [{"key": "organisationid", "value": "omniroute-ghs"}],
        }
        reply = await http.post("/transactions/type/disbursement", headers=headers, json=body)
        assert reply.json()["errorCode"] == "formatError"
        del headers["x-content-hash"]
        reply = await http.post("/transactions/type/disbursement", headers=headers, json=body)
        assert reply.json()["errorCode"] == "mandatoryValueNotSupplied"
        body = {**body, "creditParty": [{"key": "msisdn", "value": "+233555123456"}]}
        headers[HEADER] = "nonsense"
        reply = await http.post("/transactions/type/disbursement", headers=headers, json=body)
        assert reply.json()["errorCode"] == "formatError"
    assert ghana.world.transfers() == []


async def test_the_statement_comes_in_pages() -> None:
    async with operator() as driven:
        payouts = [driven.make(100 + number, "233555123456") for number in range(205)]
        for payout in payouts:
            await driven.send(payout)
        first = await RAIL.fetch_statement(driven.context, driven.clock.at.date(), None)
        assert (len(first.lines), first.cursor) == (200, "200")
        last = await RAIL.fetch_statement(driven.context, driven.clock.at.date(), first.cursor)
        assert (len(last.lines), last.cursor) == (5, None)
        assert [line.our_ref for line in (*first.lines, *last.lines)] == [payout.our_ref for payout in payouts]
        yesterday = driven.clock.at.date() - timedelta(days=1)
        assert (await RAIL.fetch_statement(driven.context, yesterday, None)).lines == ()


async def test_holders_and_heartbeat(ghana: Drive) -> None:
    holder = await RAIL.resolve_party(ghana.context, Party(PartyKind.MSISDN, "233555123456"), our_ref="")
    assert (holder.active, len((holder.name or "").split())) == (True, 2)
    with pytest.raises(RailUnable):
        await RAIL.resolve_party(ghana.context, Party(PartyKind.MSISDN, "233555123000"), our_ref="")
    assert (await RAIL.heartbeat(ghana.context)).is_available
