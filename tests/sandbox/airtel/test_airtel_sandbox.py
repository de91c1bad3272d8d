"""Our connector against Airtel Money's sandbox over HTTP: countries, faults, calls, PIN and signature."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import httpx
import pytest

from omniroute.connectors.airtel import Airtel
from omniroute.connectors.airtel.wire import COUNTRIES
from omniroute.kit.money import Money
from omniroute.ports.rails import NotSent, Outcome, Party, PartyKind, RailUnable
from omniroute.sandbox.airtel import AirtelSandbox
from omniroute.sandbox.airtel.rail import COUNTRIES as SANDBOX_COUNTRIES
from omniroute.sandbox.faults import MAGIC, Fault
from omniroute.sandbox.world import World
from tests.sandbox.driving import Drive, check_calls, check_fault, check_repeat, drive

RAIL = Airtel()
NUMBERS = {
    "CG": "041234567", "GA": "74123456", "NE": "90123456", "NG": "8021234567", "SC": "2712345", "TD": "63123456",
}  # fmt: skip
"""A number of the rail where it has not nine digits."""


@pytest.fixture
async def uganda() -> AsyncIterator[Drive]:
    async with drive(RAIL, AirtelSandbox, lambda one: one.currency == "UGX") as driven:
        yield driven


@pytest.mark.parametrize("country", sorted(COUNTRIES))
async def test_an_order_is_paid_once_in_every_country(country: str) -> None:
    calling, currency = COUNTRIES[country]
    assert SANDBOX_COUNTRIES[country] == currency
    async with drive(RAIL, AirtelSandbox, lambda one: one.public["country"] == country) as driven:
        [before] = await RAIL.fetch_balances(driven.context)
        payout = driven.make(12_345, f"{calling}{NUMBERS.get(country, '700160185')}")
        sent = await driven.send(payout)
        assert sent is not None
        assert (sent.outcome, sent.our_ref) == (Outcome.SUCCEEDED, payout.our_ref)
        asked = await RAIL.query(driven.context, payout, None)
        assert (asked.outcome, asked.provider_ref) == (Outcome.SUCCEEDED, sent.provider_ref)
        [after] = await RAIL.fetch_balances(driven.context)
        assert before.amount - after.amount == Money(12_345, currency)
        assert [line.reference for line in driven.world.movements] == [payout.our_ref]


@pytest.mark.parametrize("takes_s", [0, 40])
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
async def test_with_every_fault_we_end_up_knowing_what_the_books_say(fault: Fault, takes_s: int) -> None:
    digits = next(digits for digits, named in MAGIC.items() if named is fault)
    make = partial(AirtelSandbox, takes=timedelta(seconds=takes_s))
    async with drive(RAIL, make, lambda one: one.currency == "UGX") as driven:
        payout = driven.make(5_000, f"256700160{digits}")
        await check_fault(driven, fault, payout, tells_reversals=False, echoes=False)


async def test_the_same_order_twice_is_one_payment(uganda: Drive) -> None:
    await check_repeat(uganda, uganda.make(5_000, "256700160185"))


async def test_an_order_in_progress_is_asked_about() -> None:
    make = partial(AirtelSandbox, takes=timedelta(seconds=40), fee_minor=7)
    async with drive(RAIL, make, lambda one: one.currency == "KES") as driven:
        payout = driven.make(5_025, "254733123456")
        assert (await driven.send(payout)).outcome is Outcome.PENDING  # type: ignore[union-attr]
        assert (await RAIL.query(driven.context, payout, None)).outcome is Outcome.PENDING
        await driven.pass_time(seconds=41)
        assert (await RAIL.query(driven.context, payout, None)).outcome is Outcome.SUCCEEDED
        assert [(line.kind, line.amount_minor) for line in driven.world.movements] == [("debit", -5_025), ("fee", -7)]


@pytest.mark.parametrize(
    ("payee", "code"), [("256700160000", "DP00900001012"), ("256700160009", "DP00900001010")],
)  # fmt: skip
async def test_refused_payees_get_nothing(payee: str, code: str, uganda: Drive) -> None:
    payout = uganda.make(5_000, payee)
    sent = await uganda.send(payout)
    assert sent is not None
    assert (sent.outcome, sent.answer.code) == (Outcome.DECLINED, code)
    asked = await RAIL.query(uganda.context, payout, None)
    assert (asked.outcome, asked.answer.code) == (Outcome.DECLINED, code)
    assert uganda.world.movements == []


async def test_without_funds_nothing_moves() -> None:
    async with drive(RAIL, AirtelSandbox, lambda one: one.currency == "UGX", funds_minor=4_999) as driven:
        sent = await driven.send(driven.make(5_000, "256700160185"))
        assert sent is not None
        assert (sent.outcome, sent.answer.code) == (Outcome.DECLINED, "DP00900001007")
        assert driven.world.movements == []


@pytest.mark.parametrize(
    ("secret", "public", "code"),
    [
        ({"pin": "9999"}, {}, "ROUTER115"),
        ({"pin": "9999"}, {"pin_padding": "oaep_sha256"}, "ROUTER116"),
        ({}, {"pin_padding": "oaep_sha1"}, "ROUTER116"),
    ],
)
async def test_a_wrong_pin_moves_nothing(secret: dict[str, str], public: dict[str, str], code: str) -> None:
    async with drive(RAIL, AirtelSandbox, lambda one: one.currency == "UGX", secret=secret, public=public) as driven:
        sent = await driven.send(driven.make(5_000, "256700160185"))
        assert sent is not None
        assert (sent.outcome, sent.answer.code) == (Outcome.DECLINED, code)
        assert driven.world.transfers() == []


@pytest.mark.parametrize("padding", ["pkcs1v15", "oaep_sha1", "oaep_sha256"])
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_paddings_versions_and_signatures(padding: str, version: str) -> None:
    make = partial(AirtelSandbox, pin_padding=padding)
    public = {"disbursements": version, "message_signing": "on"}
    async with drive(RAIL, make, lambda one: one.currency == "UGX", public=public) as driven:
        payout = driven.make(5_000, "256700160185")
        assert (await driven.send(payout)).outcome is Outcome.SUCCEEDED  # type: ignore[union-attr]
        assert driven.debits(payout) == 1


async def test_a_signature_of_another_body_moves_nothing(uganda: Drive) -> None:
    payout = uganda.make(5_000, "256700160185")
    token = await uganda.context.tokens.get("airtel", lambda: RAIL._fetch_token(uganda.context))
    headers = {
        "authorization": f"Bearer {token}",
        "x-country": "UG",
        "x-currency": "UGX",
        "x-signature": "eA==",
        "x-key": "eA==",
    }
    async with httpx.AsyncClient() as http:
        url = f"{uganda.context.credentials.endpoint}/standard/v2/disbursements/"
        body = {"payee": {"msisdn": "700160185"}, "transaction": {"amount": 5, "id": payout.our_ref}}
        reply = await http.post(url, headers=headers, json=body)
    assert reply.json()["status"]["response_code"] == "DP00900001016"
    assert uganda.world.transfers() == []


async def test_calls_go_where_the_portal_says_and_are_hints(uganda: Drive) -> None:
    await uganda.send(uganda.make(5_000, "256700160180"))
    await uganda.pass_time(seconds=1)
    assert uganda.heard == []  # Nobody has set an address yet.
    async with httpx.AsyncClient() as http:
        url = f"{uganda.context.credentials.endpoint}/portal/callback"
        await http.put(url, content=json.dumps({"url": uganda.context.callback_url("payout", "portal")}))
    paid, declined = uganda.make(5_000, "256700160185"), uganda.make(5_000, "256700160000")
    for payout in (paid, declined):
        await uganda.send(payout)
    await uganda.pass_time(seconds=1)
    await uganda.hears(2)
    told = check_calls(uganda, rejects_forged=False)
    assert told == {paid.our_ref: Outcome.SUCCEEDED, declined.our_ref: Outcome.DECLINED}


async def test_a_token_that_was_revoked_is_fetched_again() -> None:
    rails: list[AirtelSandbox] = []

    def make(world: World) -> AirtelSandbox:
        rails.append(AirtelSandbox(world))
        return rails[0]

    async with drive(RAIL, make, lambda one: one.currency == "UGX") as driven:
        await RAIL.fetch_balances(driven.context)
        rails[0].tokens.revoke_all()
        payout = driven.make(5_000, "256700160185")
        assert [(await driven.send(payout)).outcome for _ in range(2)] == [  # type: ignore[union-attr]
            Outcome.NOT_SENT,
            Outcome.SUCCEEDED,
        ]
        assert driven.debits(payout) == 1


async def test_a_wrong_client_sends_nothing() -> None:
    async with drive(RAIL, AirtelSandbox, secret={"client_secret": "x"}) as driven:
        with pytest.raises(NotSent):
            await RAIL.submit(driven.context, driven.make(5_000, "243700160185"))
        assert driven.world.transfers() == []


async def test_holders_have_names(uganda: Drive) -> None:
    holder = await RAIL.resolve_party(uganda.context, Party(PartyKind.MSISDN, "256700160185"), our_ref="")
    assert (holder.active, len((holder.name or "").split())) == (True, 2)
    barred = await RAIL.resolve_party(uganda.context, Party(PartyKind.MSISDN, "256700160009"), our_ref="")
    assert not barred.active
    for number in ("256700160000", "254733123456"):
        with pytest.raises(RailUnable):
            await RAIL.resolve_party(uganda.context, Party(PartyKind.MSISDN, number), our_ref="")
