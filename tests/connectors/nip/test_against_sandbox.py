"""Both forms against the sandbox over real HTTP: what the connector says, and where the money really is."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from omniroute.connectors.nip import NipConnector, NipRestConnector
from omniroute.infra.http import ExchangeFailed, HttpMetrics, RailHttp, Tokens
from omniroute.kit.clock import FixedClock
from omniroute.kit.money import Money
from omniroute.kit.refusal import Fault as MachineFault
from omniroute.ports.rails import Context, Credentials, NotSent, Outcome, Party, PartyKind, Payout, RailUnable, Result
from omniroute.sandbox.faults import FaultPlan
from omniroute.sandbox.nip import NipRestSandbox, NipSandbox
from omniroute.sandbox.nip.people import holder
from omniroute.sandbox.server import Sandbox
from omniroute.sandbox.world import World
from tests.connectors.outside import NOW, make_payout

FORMS = ("plain", "hybrid", "rest")
AMOUNT = Money(123_456, "NGN")


class Line:
    """One connection to a running sandbox, and its clock."""

    def __init__(self, rail: Any, context: Context, world: World, clock: FixedClock, account: str) -> None:
        self.rail, self.context, self.world, self.clock, self.account = rail, context, world, clock, account
        self._number = 0

    def reference(self) -> str:
        self._number += 1
        made: str = self.rail.build_reference(self.context.credentials.public, UUID(int=self._number), self.clock.now())
        return made

    async def order(self, payee: str = "2222002345", amount: Money = AMOUNT) -> Payout:
        """An order to this payee, enquired before."""
        party = Party(PartyKind.BANK_ACCOUNT, payee, "000013")
        known = await self.rail.resolve_party(self.context, party, our_ref=self.reference())
        made = make_payout(self.reference(), amount, "")
        return dataclasses.replace(made, payee=party, holder=known, created_at=self.clock.now())

    async def send(self, payout: Payout) -> Result | None:
        """The result; None when nobody knows."""
        try:
            found: Result = await self.rail.submit(self.context, payout)
        except NotSent:
            raise
        except MachineFault:
            return None
        return found

    async def ask(self, payout: Payout, *, after: timedelta = timedelta(seconds=60)) -> Outcome:
        self.clock.at += after
        found: Result = await self.rail.query(self.context, payout, None)
        return found.outcome

    def paid(self, payout: Payout) -> int:
        """How often the rail took money for this order."""
        return len(self.world.debits(self.rail.rail, payout.our_ref))

    async def report(self, day: date) -> list[tuple[str | None, int, bool]]:
        page = await self.rail.fetch_statement(self.context, day, None)
        return [(line.our_ref, line.amount.amount_minor, line.credit) for line in page.lines]


@asynccontextmanager
async def line(form: str, plan: FaultPlan | None = None) -> AsyncIterator[Line]:
    clock = FixedClock(NOW)
    world = World(clock=clock, plan=plan, slow_s=0, funds_minor=10**12)
    async with Sandbox(world, [NipSandbox(world), NipRestSandbox(world)]) as sandbox:
        name = "nip_rest" if form == "rest" else "nip"
        found = [one for rail in sandbox.rails if rail.rail == name for one in rail.connections()]
        test = found[1 if form == "hybrid" else 0]
        credentials = Credentials(
            UUID(int=1), UUID(int=2), f"{sandbox.url}/{test.rail}{test.path}", test.public, test.secret
        )
        http = RailHttp(rail=name, connection="c", clock=clock, metrics=HttpMetrics(CollectorRegistry()))
        context = Context(credentials, http, Tokens(clock), clock, lambda purpose, ref: "https://x.example.com/")
        try:
            rail = NipRestConnector() if form == "rest" else NipConnector()
            yield Line(rail, context, world, clock, test.account)
        finally:
            await http.aclose()


@pytest.mark.parametrize("form", FORMS)
async def test_a_transfer_arrives_once_and_everyone_says_so(form: str) -> None:
    async with line(form) as one:
        payout = await one.order()
        known = holder("000013", "2222002345")
        assert payout.holder is not None
        assert (payout.holder.name, payout.holder.kyc_level) == (known.name, known.kyc_level)

        result = await one.send(payout)

        assert result is not None
        assert (result.outcome, result.our_ref, result.amount, result.payee_identifier) == (
            Outcome.SUCCEEDED, payout.our_ref, AMOUNT, "2222002345",
        )  # fmt: skip
        assert await one.ask(payout) is Outcome.SUCCEEDED
        assert one.paid(payout) == 1
        [balance] = await one.rail.fetch_balances(one.context)
        assert balance.amount == Money(10**12 - 123_456, "NGN")
        assert await one.report(date(2026, 3, 2)) == [(payout.our_ref, 123_456, False)]
        assert await one.report(date(2026, 3, 1)) == []


@pytest.mark.parametrize("form", FORMS)
async def test_a_second_send_of_the_same_order_pays_nothing(form: str) -> None:
    async with line(form) as one:
        payout = await one.order()
        await one.send(payout)
        for again, code in ((payout, "94"), (dataclasses.replace(payout, amount=Money(200, "NGN")), "26")):
            result = await one.send(again)
            assert result is not None
            assert (result.outcome, result.answer.code) == (Outcome.UNKNOWN, code)
        assert one.paid(payout) == 1
        assert await one.ask(payout) is Outcome.SUCCEEDED


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("digits", "said", "asked", "paid"),
    [
        ("901", None, Outcome.NOT_FOUND, 0),  # Lost request.
        ("902", None, Outcome.SUCCEEDED, 1),  # Lost reply.
        ("903", Outcome.SUCCEEDED, Outcome.SUCCEEDED, 1),  # Slow.
        ("904", Outcome.UNKNOWN, Outcome.NOT_FOUND, 0),  # HTTP 503, not done.
        ("905", Outcome.UNKNOWN, Outcome.SUCCEEDED, 1),  # HTTP 503, done.
        ("906", Outcome.DECLINED, Outcome.DECLINED, 0),
        ("910", Outcome.UNKNOWN, Outcome.NOT_FOUND, 0),  # Paid two days later.
        ("804", Outcome.UNKNOWN, Outcome.DECLINED, 0),  # 91: refused once a query agrees.
        ("805", Outcome.UNKNOWN, Outcome.SUCCEEDED, 1),  # 97, and paid.
        ("806", Outcome.UNKNOWN, Outcome.UNKNOWN, 0),  # 09, pays later.
        ("807", Outcome.UNKNOWN, Outcome.UNKNOWN, 1),  # 01 for ever.
    ],
)
async def test_what_goes_wrong_is_seen_as_what_it_is(
    form: str, digits: str, said: Outcome | None, asked: Outcome, paid: int
) -> None:
    async with line(form) as one:
        payout = await one.order(f"222200{digits}5")
        result = await one.send(payout)
        assert (result and result.outcome) == said
        assert await one.ask(payout) is asked
        assert one.paid(payout) == paid


async def test_a_wrong_amount_is_told_for_the_core_to_see() -> None:
    async with line("plain") as one:
        payout = await one.order("2222009115")
        result = await one.send(payout)
        assert result is not None
        assert result.outcome is Outcome.SUCCEEDED
        assert result.amount != payout.amount


async def test_a_slow_payment_is_in_progress_until_it_is_paid() -> None:
    async with line("rest") as one:
        payout = await one.order("2222008065")
        result = await one.send(payout)
        assert result is not None
        assert result.answer.code == "09"
        assert [await one.ask(payout) for _ in range(3)] == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.SUCCEEDED]


@pytest.mark.parametrize("form", FORMS)
async def test_not_found_is_no_proof_and_a_late_success_shows_in_the_report_only(form: str) -> None:
    async with line(form) as one:
        payout = await one.order("2222009105")
        await one.send(payout)
        assert [await one.ask(payout) for _ in range(3)] == [Outcome.NOT_FOUND] * 3
        assert await one.report(date(2026, 3, 2)) == []
        assert await one.ask(payout, after=timedelta(hours=25)) is Outcome.NOT_FOUND  # Not in the report either.
        one.clock.at += timedelta(days=1)
        await one.world.run_due()
        assert one.paid(payout) == 1
        assert await one.ask(payout) is Outcome.SUCCEEDED
        assert await one.report(date(2026, 3, 4)) == [(payout.our_ref, 123_456, False)]


@pytest.mark.parametrize("form", FORMS)
async def test_money_given_back_shows_in_the_report(form: str) -> None:
    async with line(form) as one:
        payout = await one.order("2222009125")
        await one.send(payout)
        one.clock.at += timedelta(days=1)
        await one.world.run_due()
        assert await one.report(date(2026, 3, 3)) == [(payout.our_ref, 123_456, True)]
        assert await one.ask(payout) is Outcome.REVERSED


@pytest.mark.parametrize("form", FORMS)
async def test_what_nip_never_tells_the_report_does(form: str) -> None:
    async with line(form) as one:
        payout = await one.order("2222008075")
        await one.send(payout)
        assert [await one.ask(payout) for _ in range(3)] == [Outcome.UNKNOWN] * 3
        one.clock.at += timedelta(hours=25)
        found: Result = await one.rail.query(one.context, payout, None)
        assert (found.outcome, found.amount, found.our_ref, found.finalised_at) == (
            Outcome.SUCCEEDED, AMOUNT, payout.our_ref, NOW,
        )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
async def test_no_account_no_name(form: str) -> None:
    async with line(form) as one:
        with pytest.raises(RailUnable):
            await one.order("2222008015")
        dormant = await one.rail.resolve_party(
            one.context, Party(PartyKind.BANK_ACCOUNT, "2222008025", "000013"), our_ref=one.reference()
        )
        assert not dormant.active
        with pytest.raises(MachineFault):
            await one.order("2222008035")


@pytest.mark.parametrize("form", FORMS)
async def test_too_little_money_is_a_refusal(form: str) -> None:
    async with line(form) as one:
        one.world.fund(one.rail.rail, one.account, "NGN", 123_455)
        payout = await one.order()
        result = await one.send(payout)
        assert result is not None
        assert (result.outcome, result.answer.code) == (Outcome.DECLINED, "51")
        assert await one.ask(payout) is Outcome.DECLINED
        assert one.paid(payout) == 0


async def test_a_fourth_query_in_a_minute_says_nothing_of_the_payment() -> None:
    async with line("plain") as one:
        payout = await one.order()
        await one.send(payout)
        asked = [await one.ask(payout, after=timedelta(seconds=1)) for _ in range(4)]
        assert asked == [Outcome.SUCCEEDED] * 3 + [Outcome.UNKNOWN]


async def test_strangers_get_nothing() -> None:
    async with line("hybrid") as one:
        payout = await one.order()
        other = dataclasses.replace(
            one.context.credentials, secret={**one.context.credentials.secret, "private_key": _another_key()}
        )
        result = await one.rail.submit(dataclasses.replace(one.context, credentials=other), payout)
        assert (result.outcome, result.answer.raw) == (Outcome.UNKNOWN, {"status": 500})
        assert one.paid(payout) == 0
    async with line("rest") as one:
        payout = await one.order()
        wrong = dataclasses.replace(
            one.context.credentials, secret={**one.context.credentials.secret, "client_secret": "no"}
        )
        context = dataclasses.replace(one.context, credentials=wrong, tokens=Tokens(one.clock))
        with pytest.raises(NotSent):
            await one.rail.submit(context, payout)
        assert one.paid(payout) == 0


def _another_key() -> str:
    from tests.connectors.nip.stage import pem

    return pem("stranger")


@pytest.mark.parametrize("form", FORMS)
async def test_a_token_that_ended_is_fetched_again(form: str) -> None:
    async with line(form) as one:
        await one.order()
        one.clock.at += timedelta(hours=2)
        result = await one.send(await one.order())
        assert result is not None
        assert result.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("form", FORMS)
async def test_no_secret_and_no_bvn_is_in_any_log_line(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with line(form) as one:
        for digits in ("234", "902", "905", "806"):
            payout = await one.order(f"222200{digits}5")
            await one.send(payout)
            await one.ask(payout)
        await one.rail.fetch_balances(one.context)
        await one.report(date(2026, 3, 2))
        hidden = [value for name, value in one.context.credentials.secret.items() if name != "private_key"]
        hidden += one.context.credentials.secret.get("private_key", "").splitlines()[1:-1]
        hidden += [holder("000013", f"222200{digits}5").bvn for digits in ("234", "902", "905", "806")]
        if form == "rest":
            hidden.append(await one.context.tokens.get("nip_rest", pytest.fail))
    shown = capsys.readouterr()
    assert "exchange" in shown.out
    assert [secret for secret in hidden if secret in shown.out + shown.err] == []


async def test_institutions_are_listed() -> None:
    async with line("rest") as one:
        listed = await one.rail.list_institutions(one.context)
        assert ("000013", "Guaranty Trust Bank") in [(found.code, found.name) for found in listed]


async def test_a_long_report_comes_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omniroute.sandbox.nip.report.PAGE_LINES", 2)
    async with line("plain") as one:
        orders = [await one.order() for _ in range(5)]
        for payout in orders:
            await one.send(payout)
        seen, cursor = [], ""
        while True:
            page = await one.rail.fetch_statement(one.context, date(2026, 3, 2), cursor or None)
            assert len(page.lines) <= 2
            seen += [row.our_ref for row in page.lines]
            if page.cursor is None:
                break
            cursor = page.cursor
        assert seen == [payout.our_ref for payout in orders]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(4))
async def test_under_a_storm_no_order_is_paid_twice_and_no_word_is_false(form: str, seed: int) -> None:
    """Half of the orders and a third of the questions go wrong; nothing is sent twice; what is said is true."""
    async with line(form, FaultPlan(seed=seed, percent=50, query_percent=30)) as one:
        for number in range(25):
            try:
                payout = await one.order(f"00000000{number:02d}")
            except MachineFault:
                continue
            try:
                result = await one.send(payout)
            except NotSent:  # The client's breaker opened.
                assert one.paid(payout) == 0
                continue
            outcome = result.outcome if result is not None else Outcome.UNKNOWN
            for _ in range(3):
                if outcome in (Outcome.UNKNOWN, Outcome.NOT_FOUND):
                    try:
                        outcome = await one.ask(payout)
                    except ExchangeFailed:
                        one.clock.at += timedelta(seconds=60)
            assert one.paid(payout) <= 1
            assert outcome is not Outcome.SUCCEEDED or one.paid(payout) == 1
            assert outcome is not Outcome.DECLINED or one.paid(payout) == 0
        one.clock.at += timedelta(days=3)
        await one.world.run_due()
        moved = [movement for movement in one.world.movements if movement.kind == "debit"]
        assert len({movement.reference for movement in moved}) == len(moved)
        booked = [row for day in range(2, 7) for row in await one.report(date(2026, 3, day))]
        assert {reference for reference, _, credit in booked if not credit} == {m.reference for m in moved}
