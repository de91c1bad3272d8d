"""What is matched, and above all what is not."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from bench import reconcile_world
from omniroute.money.reconciliation import (
    Entry,
    EntryKey,
    ExceptionKind,
    Fee,
    Line,
    Outcome,
    Pass,
    Rules,
    reconcile,
)

DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATER = AT + timedelta(days=60)
REF = "000013260302090000123456789012"


def entry(number: int, amount: int, *refs: str, days: int = 0, **more: Any) -> Entry:
    at = AT + timedelta(days=days)
    return Entry(EntryKey(UUID(int=number), 0), amount, "NGN", at.date(), at, frozenset(refs), **more)


def line(key: str, amount: int, *refs: str, text: str = "", days: int = 0, currency: str = "NGN") -> Line:
    at = AT + timedelta(days=days)
    return Line(key, amount, currency, at.date(), at, frozenset(refs), text)


def shape(outcome: Outcome) -> list[tuple[Pass, list[int], list[str], int]]:
    """What was matched, in short."""
    return sorted(
        (one.by, sorted(e.key.transaction_id.int for e in one.entries), sorted(i.key for i in one.lines),
         one.difference_minor)
        for one in outcome.found
    )  # fmt: skip


def reasons(outcome: Outcome) -> list[tuple[ExceptionKind, int | None, str | None]]:
    return sorted(
        (
            one.kind,
            None if one.entry is None else one.entry.key.transaction_id.int,
            None if one.line is None else one.line.key,
        )
        for one in outcome.unmatched
    )


def run(entries: list[Entry], lines: list[Line], rules: Rules | None = None, **more: Any) -> Outcome:
    outcome = reconcile(entries, lines, rules or Rules(), complete_until=LATER, **more)
    assert outcome == reconcile(entries[::-1], lines[::-1], rules or Rules(), complete_until=LATER, **more)
    return outcome


def test_the_same_reference_and_amount_are_a_match() -> None:
    outcome = run([entry(1, -500, "A"), entry(2, -500, "B")], [line("x", -500, "B"), line("y", -500, "A")])
    assert shape(outcome) == [(Pass.STRONG_KEY, [1], ["y"], 0), (Pass.STRONG_KEY, [2], ["x"], 0)]
    assert outcome.unmatched == ()
    assert [one.evidence for one in outcome.found] == [{"references": ["B"]}, {"references": ["A"]}]


@pytest.mark.parametrize(("amount", "kind"), [(-501, ExceptionKind.AMOUNT_OVER), (-499, ExceptionKind.AMOUNT_UNDER)])
def test_another_amount_is_never_a_match(amount: int, kind: ExceptionKind) -> None:
    outcome = run([entry(1, -500, "A")], [line("x", amount, "A")])
    assert (shape(outcome), reasons(outcome)) == ([], [(kind, 1, "x")])


def test_another_currency_is_never_a_match() -> None:
    outcome = run([entry(1, 500, "A")], [line("x", 500, "A", currency="USD")])
    assert (shape(outcome), reasons(outcome)) == ([], [(ExceptionKind.CURRENCY, 1, "x")])


def test_a_reference_that_many_share_is_none() -> None:
    outcome = run(
        [entry(n, -500, "SALARY") for n in range(1, 10)], [line(f"x{n}", -500, "SALARY") for n in range(1, 10)]
    )
    assert shape(outcome) == []
    assert len(outcome.unmatched) == 18


def test_candidates_are_assigned_all_at_once() -> None:
    # By first come, x takes 1 and y is left over: 1 is the nearest to both.
    entries = [entry(1, -500, "A", "B", days=2), entry(2, -500, "A", days=9)]
    outcome = run(entries, [line("x", -500, "A", days=2), line("y", -500, "B", days=3)])
    assert shape(outcome) == [(Pass.STRONG_KEY, [1], ["y"], 0), (Pass.STRONG_KEY, [2], ["x"], 0)]


@pytest.mark.parametrize(
    "text",
    [
        f"NIP/{REF}/RENT", f"trf {REF[:6]} {REF[6:18]} {REF[18:]}", f"{REF.replace('0', 'O').replace('1', 'l')}",
        f"CUT {REF[:22]}", f"END OF IT {REF[8:]}",
    ],
)  # fmt: skip
def test_our_reference_is_found_in_what_the_bank_wrote(text: str) -> None:
    outcome = run([entry(1, -500, "FT1", ours=frozenset([REF]))], [line("x", -500, text=text)])
    assert shape(outcome) == [(Pass.OUR_REFERENCE, [1], ["x"], 0)]


def test_a_part_that_two_references_share_is_none() -> None:
    other = f"{REF[:24]}000000"
    entries = [entry(1, -500, ours=frozenset([REF])), entry(2, -500, ours=frozenset([other]))]
    assert shape(run(entries, [line("x", -500, text=f"CUT {REF[:22]}")])) == []


def test_account_amount_and_date_are_a_match_only_where_nothing_else_fits() -> None:
    paid = frozenset(["0123456789"])
    said = "TRF TO 0123456789"
    outcome = run([entry(1, -500, accounts=paid)], [line("x", -500, text=said, days=2)])
    assert shape(outcome) == [(Pass.COUNTERPARTY, [1], ["x"], 0)]
    for entries, lines in (
        ([entry(1, -500, accounts=paid), entry(2, -500, accounts=paid)], [line("x", -500, text=said)]),
        ([entry(1, -500, accounts=paid)], [line("x", -500, text=said), line("y", -500, text=said)]),
        ([entry(1, -500, accounts=paid)], [line("x", -500, text=said, days=9)]),
        ([entry(1, -500, accounts=paid)], [line("x", -500, text="TRF TO 9999999999")]),
        ([entry(1, 500, accounts=paid)], [line("x", -500, text=said)]),
    ):
        assert shape(run(entries, lines)) == []
    # A line that names another entry, or one that has its match, is that one's.
    taken = [entry(2, -500, "B", claimed=True), entry(1, -500, accounts=paid)]
    outcome = run(taken, [line("x", -500, "B", text=said)])
    assert (shape(outcome), reasons(outcome)[0]) == ([], (ExceptionKind.DUPLICATE, None, "x"))


def test_a_fee_is_a_match_with_its_difference_where_it_is_known() -> None:
    rules = Rules(tolerance_minor=1, fees=(Fee(flat_minor=50, rate_ppm=10_000),))
    outcome = run([entry(1, -10_000, "A")], [line("x", -10_150, "A")], rules)
    assert shape(outcome) == [(Pass.FEE, [1], ["x"], -150)]
    outcome = run([entry(1, 10_000, "A")], [line("x", 9_850, "A")], rules)
    assert shape(outcome) == [(Pass.FEE, [1], ["x"], -150)]
    outcome = run([entry(1, -10_000, "A", fee_minor=25)], [line("x", -10_025, "A")])
    assert shape(outcome) == [(Pass.FEE, [1], ["x"], -25)]
    outcome = run([entry(1, -10_000, "A"), entry(2, -25, "A")], [line("x", -10_025, "A")])
    assert shape(outcome) == [(Pass.FEE, [1, 2], ["x"], 0)]
    outcome = run([entry(1, -10_000, "A")], [line("x", -10_001, "A")], rules)
    assert shape(outcome) == [(Pass.FEE, [1], ["x"], -1)]
    assert shape(run([entry(1, -10_000, "A")], [line("x", -9_850, "A")], rules)) == [], "a fee is never given"


def test_a_settlement_is_the_sum_of_its_entries_and_of_nothing_less() -> None:
    group = frozenset(["SETTLE-77441"])
    entries = [entry(n, 100 * n, f"R{n}", groups=group) for n in (1, 2, 3)]
    assert shape(run(entries, [line("x", 600, "SETTLE-77441")])) == [(Pass.SUM, [1, 2, 3], ["x"], 0)]
    assert shape(run(entries, [line("x", 600, text="BULK SETTLE-77441 OK")])) == [(Pass.SUM, [1, 2, 3], ["x"], 0)]
    assert shape(run(entries, [line("x", 300, "SETTLE-77441")])) == [], "sums are not guessed"


def test_parts_of_a_payment_are_a_match_when_they_are_whole() -> None:
    parts = [line("x", 200, "A"), line("y", 300, "A", days=1)]
    assert shape(run([entry(1, 500, "A")], parts)) == [(Pass.SUM, [1], ["x", "y"], 0)]
    assert shape(run([entry(1, 501, "A")], parts)) == []


def test_reversals_are_paired_with_what_they_take_back() -> None:
    back = entry(2, 500, "A", days=1, reverses=UUID(int=1))
    there, here = line("x", -500, "A"), line("y", 500, "A", days=1)
    outcome = run([entry(1, -500, "A"), back], [there, here])
    assert shape(outcome) == [(Pass.STRONG_KEY, [1], ["x"], 0), (Pass.STRONG_KEY, [2], ["y"], 0)]
    assert shape(run([entry(1, -500, "A"), back], [])) == [(Pass.REVERSAL, [1, 2], [], 0)]
    assert shape(run([], [there, here])) == [(Pass.REVERSAL, [], ["x", "y"], 0)]
    outcome = run([entry(1, -500, "A")], [there, here])
    assert shape(outcome) == [(Pass.STRONG_KEY, [1], ["x"], 0)]
    assert reasons(outcome) == [(ExceptionKind.REVERSAL_UNPAIRED, None, "y")]
    outcome = run([entry(1, -500, "A"), back], [there])
    assert reasons(outcome) == [(ExceptionKind.REVERSAL_UNPAIRED, 2, None)]


def test_what_the_bank_shows_twice_is_matched_once() -> None:
    outcome = run([entry(1, -500, "A")], [line("x", -500, "A"), line("y", -500, "A", days=1)])
    assert shape(outcome) == [(Pass.STRONG_KEY, [1], ["x"], 0)]
    assert reasons(outcome) == [(ExceptionKind.DUPLICATE, None, "y")]


def test_what_people_took_apart_is_not_matched_again() -> None:
    apart = {(EntryKey(UUID(int=1), 0), "x")}
    outcome = run([entry(1, -500, "A")], [line("x", -500, "A")], apart=apart)
    assert shape(outcome) == []


def test_what_the_bank_has_not_told_yet_is_not_missing() -> None:
    late = entry(1, -500, "A")
    outcome = reconcile([late], [], Rules(), complete_until=AT)
    assert (outcome.unmatched, outcome.waiting) == ((), (late,))
    outcome = reconcile([late], [], Rules(), complete_until=AT + timedelta(seconds=1))
    assert reasons(outcome) == [(ExceptionKind.MISSING_AT_BANK, 1, None)]


def test_the_rest_has_suggestions_the_likest_first() -> None:
    entries = [entry(1, -500, "INV-2026-0001"), entry(2, -500, "INV-2026-0417")]
    outcome = run(entries, [line("x", -500, text="INV 2026 O471")])
    [found] = [one for one in outcome.unmatched if one.line is not None]
    assert found.kind is ExceptionKind.MISSING_IN_BOOKS
    assert [one.transaction_id.int for one in found.suggestions] == [2, 1]


@pytest.mark.parametrize("seed", range(4))
def test_noise_costs_recall_and_never_precision(seed: int) -> None:
    for noisy, least_ppm in ((False, 1_000_000), (True, 950_000)):
        world = reconcile_world.make(1_500, seed=seed, noisy=noisy)
        outcome = reconcile(world.entries, world.lines, reconcile_world.RULES, complete_until=LATER)
        score = reconcile_world.score(world, outcome.found)
        assert score.wrong_by_pass == {}
        assert score.recall_ppm >= least_ppm
        assert set(world.troubles) == (set(reconcile_world.NOISE) | {"none"} if noisy else {"none"})
        items = [key for one in outcome.found for key in (*(e.key for e in one.entries), *(i.key for i in one.lines))]
        assert len(items) == len(set(items)), "each item is claimed once"
