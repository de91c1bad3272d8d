"""Fees, approvals and limits: what a payment costs, who must agree, what it uses up."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.money.payments import BOOK, Payment, PaymentState, PaymentType
from omniroute.money.payments.errors import LimitExceeded, NoRoute
from omniroute.money.policies import (
    ApprovalRule,
    Draft,
    Each,
    FeeRule,
    Initiator,
    LimitRule,
    Period,
    RouteRule,
    Rule,
    When,
    fee_of,
)
from omniroute.money.policies.model import RULES
from omniroute.money.policies.rules import check_draft
from omniroute.ports.rails import Party, PartyKind
from tests.money.policies.makers import GTB, NOW, TODAY, book, codes, decide, mpesa, order, policy, route, way

NIP = way("nip")
NAIRA = When(currency="NGN")
AMOUNTS = st.integers(1, 10**15)


@pytest.mark.parametrize(
    ("rule", "amount", "fee"),
    [
        (FeeRule(flat_minor=50), 1, 50),
        (FeeRule(basis_points=150), 10_000, 150),
        (FeeRule(basis_points=1), 5_000, 1),  # Half a kobo, up.
        (FeeRule(basis_points=1), 4_999, 0),
        (FeeRule(basis_points=1, rounding="half_even"), 5_000, 0),
        (FeeRule(basis_points=1, rounding="half_even"), 15_000, 2),
        (FeeRule(basis_points=1, rounding="down"), 9_999, 0),
        (FeeRule(basis_points=1, rounding="ceiling"), 1, 1),
        (FeeRule(100, 100, min_minor=300), 19_999, 300),
        (FeeRule(100, 100, min_minor=300), 20_000, 300),
        (FeeRule(100, 100, min_minor=300), 20_100, 301),
        (FeeRule(0, 100, max_minor=500), 50_000, 500),
        (FeeRule(0, 100, max_minor=500), 10**15, 500),
        (FeeRule(0, 10_000), 10**15, 10**15),
    ],
)
def test_what_a_fee_comes_to(rule: FeeRule, amount: int, fee: int) -> None:
    assert fee_of(rule, amount) == fee


@given(
    amount=AMOUNTS, more=st.integers(0, 10**12), flat=st.integers(0, 10**6), points=st.integers(0, 10_000),
    bounds=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
)  # fmt: skip
def test_a_fee_stays_in_its_bounds_and_grows_with_the_amount(
    amount: int, more: int, flat: int, points: int, bounds: tuple[int, int]
) -> None:
    low, high = sorted(bounds)
    rule = FeeRule(flat, points, low, high)
    assert low <= fee_of(rule, amount) <= fee_of(rule, amount + more) <= high


def test_the_first_fee_that_applies_is_taken_and_named() -> None:
    rules = book(
        NIP,
        policy("else", FeeRule(20), NAIRA, 30),
        policy("salaries", FeeRule(5), When(currency="NGN", types=frozenset({PaymentType.WORKER_PAYOUT})), 10),
        policy("wallets", FeeRule(1, rails=frozenset({"mpesa"})), NAIRA, 5),
    )
    assert decide(rules, order()).fee_minor == 20
    decision = decide(rules, order(type=PaymentType.WORKER_PAYOUT))
    assert decision.fee_minor == 5
    assert "fee salaries: 5" in decision.explanation


def test_without_a_fee_there_is_no_account_for_it() -> None:
    assert decide(book(NIP), order()).fee_account_id is None
    assert decide(book(NIP, policy("free", FeeRule(0), NAIRA)), order()).fee_account_id is None
    assert decide(book(NIP, policy("fee", FeeRule(1), NAIRA)), order()).fee_account_id is not None


def test_internal_transfers_cost_nothing_but_may_need_approval() -> None:
    rules = book(policy("fee", FeeRule(50), NAIRA), policy("two", ApprovalRule(2), NAIRA))
    inside = order(type=PaymentType.INTERNAL_TRANSFER, payee=Party(PartyKind.LEDGER, "wallet:other"))
    decision = decide(rules, inside)
    assert (decision.rail, decision.fee_minor, decision.approvals_needed) == (BOOK, 0, 2)


@pytest.mark.parametrize(("amount", "needed"), [(9_999, 0), (10_000, 1), (99_999, 1), (100_000, 2), (10**12, 2)])
def test_bands_of_approval_are_half_open(amount: int, needed: int) -> None:
    rules = book(
        NIP,
        policy("two", ApprovalRule(2, expires_after_s=60), When(currency="NGN", amount_from_minor=100_000), 1),
        policy("one", ApprovalRule(1), When(currency="NGN", amount_from_minor=10_000, amount_below_minor=100_000), 2),
    )
    decision = decide(rules, order(amount))
    assert decision.approvals_needed == needed
    expected = {0: None, 1: NOW + timedelta(days=7), 2: NOW + timedelta(seconds=60)}[needed]
    assert decision.expires_at == expected


def test_keys_may_need_approval_where_people_do_not() -> None:
    rules = book(NIP, policy("keys", ApprovalRule(1), When(initiators=frozenset({Initiator.API_KEY}))))
    assert decide(rules, order(), actor="key_1").approvals_needed == 1
    assert decide(rules, order(), actor="usr_1").approvals_needed == 0


def test_what_was_approved_elsewhere_does_not_expire() -> None:
    rules = book(NIP, policy("one", ApprovalRule(1)))
    assert decide(rules, order()).expires_at is not None
    assert decide(rules, order(approved=True)).expires_at is None


@pytest.mark.parametrize(("amount", "allowed"), [(99, False), (100, True), (5_000, True), (5_001, False)])
def test_the_most_and_the_least_of_a_payment(amount: int, allowed: bool) -> None:
    rules = book(NIP, policy("size", LimitRule(Period.PAYMENT, 5_000, 100), NAIRA))
    if allowed:
        assert decide(rules, order(amount)).limits == ()
        return
    with pytest.raises(LimitExceeded) as refused:
        decide(rules, order(amount))
    assert refused.value.facts["limit"] == "size"


def test_every_limit_that_applies_is_used_up() -> None:
    day = policy("day", LimitRule(Period.DAY, 10_000, count_max=5), NAIRA)
    month = policy("month", LimitRule(Period.MONTH, count_max=7))
    other = policy("shillings", LimitRule(Period.DAY, 1), When(currency="KES"))
    uses = decide(book(NIP, day, month, other), order()).limits
    assert [(use.name, use.limit_id, use.bucket, use.amount_max_minor, use.count_max) for use in uses] == [
        ("day", day.policy_id, TODAY, 10_000, 5),
        ("month", month.policy_id, date(2026, 3, 1), None, 7),
    ]


@pytest.mark.parametrize(
    ("each", "other"),
    [
        (Each.SOURCE, {"source": "wallet:two"}),
        (Each.INITIATOR, {"actor": "usr_other"}),
        (Each.PAYEE, {"payee": replace(GTB, identifier="0000014579", institution="000016")}),
    ],
)
def test_each_has_a_count_of_its_own(each: Each, other: dict[str, Any]) -> None:
    limit = policy("each", LimitRule(Period.DAY, count_max=1, each=each))
    rules = book(NIP, limit)
    actor = other.pop("actor", "usr_maker")
    (one,), (same,) = decide(rules, order()).limits, decide(rules, order(7)).limits
    (two,) = decide(rules, order(**other), actor=actor).limits
    assert one == same
    assert len({one.limit_id, two.limit_id, limit.policy_id}) == 3


@given(amount=AMOUNTS, bounds=st.lists(st.integers(1, 10**15), unique=True, min_size=1, max_size=6))
def test_bands_that_touch_leave_no_gap_and_do_not_overlap(amount: int, bounds: list[int]) -> None:
    edges = [None, *sorted(bounds), None]
    bands = [
        policy(str(place), ApprovalRule(place), When(currency="NGN", amount_from_minor=low, amount_below_minor=high))
        for place, (low, high) in enumerate(pairwise(edges))
    ]
    expected = sum(1 for bound in bounds if amount >= bound)
    assert decide(book(way("nip", most=10**16), *bands), order(amount)).approvals_needed == expected
    assert decide(book(way("nip", most=10**16), *reversed(bands)), order(amount)).approvals_needed == expected


@settings(max_examples=50)
@given(order_of=st.permutations(list(range(6))))
def test_the_order_of_rules_is_their_position_however_they_are_read(order_of: list[int]) -> None:
    ways = [way(f"w{number}") for number in range(6)]
    rules = [route(f"r{number}", f"w{number}", position=number) for number in range(6)]
    assert codes(book(*ways, *[rules[place] for place in order_of]), order(), *ways) == ["w0"]


@settings(max_examples=200)
@given(
    amount=st.integers(1, 20_000),
    limits=st.lists(st.integers(1, 20_000), min_size=1, max_size=6),
    currencies=st.lists(st.sampled_from(["NGN", "KES"]), min_size=6, max_size=6),
)
def test_a_connection_is_chosen_exactly_when_it_can_carry_the_payment(
    amount: int, limits: list[int], currencies: list[str]
) -> None:
    ways = [way(f"w{place}", most=most, currency=currencies[place]) for place, most in enumerate(limits)]
    fit = [one.code for one, most in zip(ways, limits, strict=True) if one.currency == "NGN" and amount <= most]
    if fit:
        assert codes(book(*ways), order(amount), *ways) == fit[:5]
        return
    with pytest.raises(NoRoute) as refused:
        decide(book(*ways), order(amount))
    assert len(list(refused.value.facts["tried"])) == len(ways)  # type: ignore[call-overload]


def payment(amount_minor: int = 5_000, *, needed: int = 0, batch_id: UUID | None = None) -> Payment:
    """A payment that waits."""
    return Payment(
        payment_id=uuid7(), reference="P1", type=PaymentType.SUPPLIER_PAYMENT, state=PaymentState.AWAITING_APPROVAL,
        reason=None, amount=Money(amount_minor, "NGN"), fee_minor=0, branch_id=None, source_account_id=uuid7(),
        source_code="wallet:shop", payee=GTB, narration="", metadata={}, rail="nip", route={}, connection_ids=(),
        candidate=0, hold_id=None, fee_hold_id=None, transaction_id=None, fee_transaction_id=None,
        approvals_needed=needed, approvals_given=0, attempt_count=0, batch_id=batch_id, line_number=None,
        schedule_id=None, send_after=NOW, expires_at=None, initiated_by="usr_maker", created_at=NOW, updated_at=NOW,
        completed_at=None, version=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "when", "code"),
    [
        (LimitRule(Period.PAYMENT, 4_999), NAIRA, "payments.limit_exceeded"),
        (LimitRule(Period.PAYMENT, 5_000), NAIRA, None),
        (LimitRule(Period.DAY, 1), NAIRA, None),  # Counted when it was initiated.
        (ApprovalRule(2), NAIRA, "policies.more_approvals_needed"),
        (ApprovalRule(1), NAIRA, None),
        (RouteRule((), "refuse"), NAIRA, "payments.no_route"),
        (RouteRule((), "refuse"), When(currency="KES"), None),
        (RouteRule(("gone",), "refuse"), NAIRA, None),
    ],
)
def test_what_is_looked_at_again(rule: Rule, when: When, code: str | None) -> None:
    rules = book(NIP, policy("new", rule, when))
    if code is None:
        rules.recheck(payment(needed=1))
        return
    with pytest.raises(Refusal) as refused:
        rules.recheck(payment(needed=1))
    assert refused.value.code == code


def test_what_a_batch_was_approved_for_is_not_asked_of_its_payments() -> None:
    rules = book(NIP, policy("new", ApprovalRule(2)))
    rules.recheck(payment(batch_id=uuid7()))


@pytest.mark.parametrize(
    ("rule", "when", "field"),
    [
        (FeeRule(1), When(), "when.currency"),
        (FeeRule(-1), NAIRA, "fee"),
        (FeeRule(0, 10_001), NAIRA, "fee.basis_points"),
        (FeeRule(0, 1, 5, 4), NAIRA, "fee.max"),
        (ApprovalRule(11), When(), "approvers"),
        (ApprovalRule(-1), When(), "approvers"),
        (ApprovalRule(1, 59), When(), "expires_after_s"),
        (LimitRule(Period.DAY), NAIRA, "limit"),
        (LimitRule(Period.DAY, 5), When(), "when.currency"),
        (LimitRule(Period.DAY, amount_min_minor=5), NAIRA, "limit.amount_min"),
        (LimitRule(Period.PAYMENT, 5, 6), NAIRA, "limit.amount_max"),
        (LimitRule(Period.PAYMENT, 5, count_max=1), NAIRA, "limit.period"),
        (LimitRule(Period.PAYMENT, 5, each=Each.PAYEE), NAIRA, "limit.period"),
        (LimitRule(Period.DAY, count_max=-1), NAIRA, "limit.count_max"),
        (LimitRule(Period.DAY, 2**63), NAIRA, "limit"),
        (RouteRule(()), When(), "route.connections"),
        (RouteRule(("a", "a")), When(), "route.connections"),
        (RouteRule(("A",)), When(), "route.connections"),
        (RouteRule(("a",)), When(amount_from_minor=1), "when.currency"),
        (RouteRule(("a",)), When(currency="NGN", amount_from_minor=5, amount_below_minor=5), "when.amount_below"),
        (RouteRule(("a",)), When(currency="XXX"), "when.currency"),
        (RouteRule(("a",)), When(countries=frozenset({"Nigeria"})), "when.countries"),
        (RouteRule(("a",)), When(institutions=frozenset({""})), "when.institutions"),
        (RouteRule(("a",)), When(hour_from=24), "when.hour_from"),
        (RouteRule(("a",)), When(hour_until=25), "when.hour_until"),
        (RouteRule(("a",)), When(hour_from=5, hour_until=5), "when.hour_until"),
        (RouteRule(("a",)), When(source_prefix=""), "when.source_prefix"),
    ],
)
def test_policies_nobody_could_mean(rule: Rule, when: When, field: str) -> None:
    kind = next(kind for kind, shape in RULES.items() if isinstance(rule, shape))
    with pytest.raises(Refusal) as refused:
        check_draft(Draft(kind, "name", 1, when, rule))
    assert (refused.value.code, refused.value.facts) == ("policies.malformed", {"field": field})


@pytest.mark.parametrize(("name", "position"), [("", 1), ("x" * 101, 1), ("a\nb", 1), ("a", -1), ("a", 100_001)])
def test_names_and_positions_nobody_could_mean(name: str, position: int) -> None:
    rule = ApprovalRule(1)
    with pytest.raises(Refusal, match=r"policies\.malformed"):
        check_draft(
            Draft(next(kind for kind, shape in RULES.items() if isinstance(rule, shape)), name, position, When(), rule)
        )


def test_another_currency_has_another_rail() -> None:
    ways = [NIP, mpesa()]
    wallet = Party(PartyKind.MSISDN, "254712345678", None, None, "KE")
    assert codes(book(*ways), order(100, wallet, "KES"), *ways) == ["mpesa"]
