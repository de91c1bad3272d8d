"""Where a payment goes, and why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omniroute.kit import ids
from omniroute.money.connections import ConnectionStatus, Health
from omniroute.money.institutions import OtherNetwork, WrongCheckDigit
from omniroute.money.payments import PaymentType
from omniroute.money.payments.errors import NoRoute
from omniroute.money.policies import Initiator, When
from omniroute.ports.rails import Operation, Party, PartyKind
from tests.money.policies.makers import (
    GTB,
    NOW,
    POLICY,
    SAFARICOM,
    Rail,
    book,
    codes,
    decide,
    mpesa,
    order,
    route,
    way,
)


def test_without_rules_every_connection_that_can_carry_it_is_a_candidate_the_healthiest_first() -> None:
    ways = [
        way("a", health=Health.DEGRADED),
        way("b", health=Health.UNKNOWN),
        way("c"),
        way("d", health=Health.DOWN),
        way("e", status=ConnectionStatus.PAUSED),
        way("f", operations={Operation.BALANCE}),
        mpesa("g"),
    ]
    decision = decide(book(*ways), order())
    assert codes(book(*ways), order(), *ways) == ["c", "b", "a"]
    assert decision.rail == "c"
    assert decision.float_account_ids == (ways[2].float_account_id, ways[1].float_account_id, ways[0].float_account_id)
    assert decision.explanation == (
        "can carry it: c, b, a",
        "e: paused",
        "f: pays nothing out",
        "d: down",
    )


def test_a_rail_is_asked_whether_it_can_carry_the_payment_and_its_reason_is_told() -> None:
    small, large = way("small", most=5_000), way("large")
    assert codes(book(small, large), order(5_000), small, large) == ["large", "small"]
    assert codes(book(small, large), order(5_001), small, large) == ["large"]
    assert "small: at most 5000" in decide(book(small, large), order(5_001)).explanation


def test_a_payment_nothing_can_carry_is_refused_with_the_reason_of_each_connection() -> None:
    with pytest.raises(NoRoute) as refused:
        decide(book(way("nip", most=10), mpesa(), way("off", status=ConnectionStatus.PAUSED)), order(11))
    assert refused.value.facts["tried"] == ["mpesa: another currency", "nip: at most 10", "off: paused"]


def test_cents_a_rail_does_not_know_are_refused() -> None:
    with pytest.raises(NoRoute) as refused:
        decide(book(mpesa()), order(10_050, SAFARICOM, "KES"))
    assert refused.value.facts["tried"] == ["mpesa: whole shillings, no cents"]


@pytest.mark.parametrize(("amount", "carried"), [(999, False), (1_000, True), (2_000, True), (2_001, False)])
def test_the_bounds_of_a_rail_belong_to_it(amount: int, carried: bool) -> None:
    bounded = replace(POLICY, amount_min_minor={"NGN": 1_000}, amount_max_minor={"NGN": 2_000})
    rules = book(way("nip", policy=bounded))
    if carried:
        assert decide(rules, order(amount)).connection_ids
    else:
        with pytest.raises(NoRoute):
            decide(rules, order(amount))


def test_a_number_of_another_network_is_refused_as_such() -> None:
    airtel = replace(SAFARICOM, identifier="254733345678")
    with pytest.raises(OtherNetwork) as refused:
        decide(book(mpesa(), way("nip")), order(1_000, airtel, "KES"))
    assert refused.value.detail == "the number belongs to airtel"
    assert decide(book(mpesa()), order(1_000, replace(airtel, institution="safaricom"), "KES")).rail == "mpesa"


def test_a_number_of_another_network_goes_over_the_rail_of_that_network() -> None:
    ways = [mpesa(), mpesa("airtel", networks={"airtel"})]
    airtel = replace(SAFARICOM, identifier="254733345678")
    assert codes(book(*ways), order(1_000, airtel, "KES"), *ways) == ["airtel"]
    assert codes(book(*ways), order(1_000, SAFARICOM, "KES"), *ways) == ["mpesa"]


def test_a_connection_may_reach_one_country_of_its_rail_only() -> None:
    uganda = way("ug", country="UG", countries=(), kinds={PartyKind.MSISDN}, currency="USD")
    kenya = replace(uganda, code="ke", country="KE", connection_id=way("x").connection_id)
    payment = order(1_000, replace(SAFARICOM, country="KE"), "USD")
    assert codes(book(uganda, kenya), payment, uganda, kenya) == ["ke"]


def test_a_mistyped_account_is_refused_before_any_rail_is_asked() -> None:
    rail = Rail()
    with pytest.raises(WrongCheckDigit):
        decide(book(way("nip", connector=rail)), order(payee=replace(GTB, identifier="0016563229")))
    assert rail.asked == 0


def test_a_pinned_connection_is_the_only_candidate() -> None:
    ways = [way("a"), way("b")]
    for pin in ("b", ids.show("con", ways[1].connection_id)):
        assert codes(book(*ways), order(connection=pin), *ways) == ["b"]
    for connection, reason in [("z", "z: there is no such connection"), ("m", "m: another currency")]:
        with pytest.raises(NoRoute) as refused:
            decide(book(*ways, mpesa("m")), order(connection=connection))
        assert reason in str(refused.value.facts["tried"])


def test_a_pin_goes_past_rules_that_choose_but_not_past_one_that_stops_payments() -> None:
    ways = [way("a"), way("b")]
    assert codes(book(*ways, route("all", "a")), order(connection="b"), *ways) == ["b"]
    with pytest.raises(NoRoute):
        decide(book(*ways, route("none", otherwise="refuse")), order(connection="b"))


def test_health_of_now_says_nothing_about_a_payment_of_tomorrow() -> None:
    down = way("nip", health=Health.DOWN)
    with pytest.raises(NoRoute):
        decide(book(down), order())
    assert decide(book(down), order(send_after=NOW + timedelta(days=1))).rail == "nip"


def test_rules_are_asked_in_order_and_the_first_that_finds_a_connection_decides() -> None:
    ways = [way("a"), way("b"), way("c", health=Health.DOWN)]
    rules = book(
        *ways,
        route("last", "a", position=3),
        route("down", "c", position=1),
        route("second", "b", "a", position=2),
    )
    assert codes(rules, order(), *ways) == ["b", "a"]
    assert decide(rules, order()).explanation == (
        "rule down: none of its connections can carry it",
        "rule second: b, a",
        "c: down",
    )


def test_a_degraded_connection_goes_last_whatever_the_rule_prefers() -> None:
    ways = [way("a", health=Health.DEGRADED), way("b")]
    assert codes(book(*ways, route("all", "a", "b")), order(), *ways) == ["b", "a"]


def test_when_no_rule_applies_every_connection_is_a_candidate() -> None:
    ways = [way("a"), way("b")]
    rules = book(*ways, route("big", "b", when=When(currency="NGN", amount_from_minor=10_000)))
    assert codes(rules, order(9_999), *ways) == ["a", "b"]
    assert codes(rules, order(10_000), *ways) == ["b"]


def test_a_rule_may_refuse_instead_of_asking_the_next() -> None:
    rules = book(way("a"), way("b", health=Health.DOWN), route("only b", "b", otherwise="refuse"))
    with pytest.raises(NoRoute) as refused:
        decide(rules, order())
    assert refused.value.facts["tried"] == ["rule only b: refused", "b: down"]


def test_a_rule_without_connections_stops_payments() -> None:
    rules = book(way("a"), route("no GTB", when=When(institutions=frozenset({"000013"})), otherwise="refuse"))
    with pytest.raises(NoRoute):
        decide(rules, order())
    assert decide(rules, order(payee=replace(GTB, identifier="0123456789", institution="100004"))).rail == "a"


def test_a_rule_may_want_the_float_to_cover_the_amount() -> None:
    ways = [way("a", float_minor=4_999), way("b", float_minor=5_000)]
    assert codes(book(*ways, route("funded", "a", "b", float_covers=True)), order(5_000), *ways) == ["b"]


def test_a_rule_that_names_a_connection_that_is_gone_goes_on_without_it() -> None:
    ways = [way("a")]
    assert codes(book(*ways, route("old", "gone", "a")), order(), *ways) == ["a"]


def test_no_more_than_five_connections_are_kept() -> None:
    ways = [way(f"w{number}") for number in range(9)]
    assert codes(book(*ways), order(), *ways) == ["w0", "w1", "w2", "w3", "w4"]


def test_an_internal_transfer_needs_no_connection() -> None:
    inside = order(type=PaymentType.INTERNAL_TRANSFER, payee=Party(PartyKind.LEDGER, "wallet:other"))
    decision = decide(book(), inside)
    assert (decision.rail, decision.connection_ids, decision.fee_minor) == ("book", (), 0)


@pytest.mark.parametrize(
    ("when", "given", "applies"),
    [
        ({"currency": "NGN", "amount_from_minor": 5_000}, {"amount_minor": 4_999}, False),
        ({"currency": "NGN", "amount_from_minor": 5_000}, {"amount_minor": 5_000}, True),
        ({"currency": "NGN", "amount_below_minor": 5_000}, {"amount_minor": 4_999}, True),
        ({"currency": "NGN", "amount_below_minor": 5_000}, {"amount_minor": 5_000}, False),
        ({"currency": "KES"}, {}, False),
        ({"types": frozenset({PaymentType.WORKER_PAYOUT})}, {}, False),
        ({"types": frozenset({PaymentType.WORKER_PAYOUT})}, {"type": PaymentType.WORKER_PAYOUT}, True),
        ({"payee_kinds": frozenset({PartyKind.MSISDN})}, {}, False),
        ({"countries": frozenset({"NG"})}, {}, True),
        ({"countries": frozenset({"NG"})}, {"payee": replace(GTB, country=None)}, True),
        ({"countries": frozenset({"KE"})}, {}, False),
        ({"institutions": frozenset({"000013"})}, {}, True),
        ({"institutions": frozenset({"000014"})}, {}, False),
        ({"source_prefix": "wallet:"}, {}, True),
        ({"source_prefix": "till:"}, {}, False),
        ({"initiators": frozenset({Initiator.USER})}, {}, True),
        ({"initiators": frozenset({Initiator.API_KEY})}, {}, False),
        ({"hour_from": 10, "hour_until": 11}, {}, True),
        ({"hour_from": 11}, {}, False),
        ({"hour_until": 10}, {}, False),
        ({"hour_from": 22, "hour_until": 11}, {}, True),
        ({"hour_from": 22, "hour_until": 6}, {}, False),
    ],
)
def test_what_a_policy_looks_at(when: dict[str, Any], given: dict[str, Any], applies: bool) -> None:
    """It is 10:30 in Lagos."""
    ways = [way("any"), way("ruled")]
    rules = book(*ways, route("ruled", "ruled", when=When(**when)))
    assert (codes(rules, order(**given), *ways) == ["ruled"]) is applies


def test_the_hour_is_that_of_the_organisation_when_the_payment_leaves() -> None:
    ways = [way("day"), way("night")]
    rules = book(*ways, route("night", "night", when=When(hour_from=23, hour_until=1)))
    for at, expected in [
        (datetime(2026, 3, 2, 21, 59, 59, tzinfo=UTC), "day"),
        (datetime(2026, 3, 2, 22, 0, tzinfo=UTC), "night"),
        (datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC), "night"),
        (datetime(2026, 3, 3, 0, 0, tzinfo=UTC), "day"),
    ]:
        assert codes(rules, order(), *ways, now=at)[0] == expected
        assert codes(rules, order(send_after=at), *ways)[0] == expected


def test_keys_and_people_may_go_different_ways() -> None:
    ways = [way("any"), way("keys")]
    rules = book(*ways, route("keys", "keys", when=When(initiators=frozenset({Initiator.API_KEY}))))
    assert codes(rules, order(), *ways, actor="key_1") == ["keys"]
    assert codes(rules, order(), *ways, actor="usr_1") == ["any", "keys"]
