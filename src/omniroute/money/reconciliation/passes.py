"""Matching, as pure functions over two lists: what the books expect, and what the bank says.

Each pass takes only what those before it left, decides about all its candidates at once, and never takes a pair with
different amounts, but where the difference is a fee or a rounding that can be named.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from omniroute.money.reconciliation.assignment import SIDE_MAX, assign
from omniroute.money.reconciliation.leftovers import Contacts, waiting_and_unmatched
from omniroute.money.reconciliation.model import Entry, EntryKey, Found, Line, Outcome, Pass, Rules
from omniroute.money.reconciliation.references import OurReferences, accounts_in

_SECOND = timedelta(seconds=1)
_KEYS_WORTH = 10**9  # One more reference in common is worth more than any distance in time.
Pair = tuple[EntryKey, str]


def reconcile(
    entries: Iterable[Entry],
    lines: Iterable[Line],
    rules: Rules,
    *,
    apart: Collection[Pair] = (),
    complete_until: datetime | None = None,
) -> Outcome:
    """Match what belongs together, and say what the rest is. The same lists give the same answer in any order.

    `apart`: pairs that people took apart; they are not made again. `complete_until`: the bank has told everything that
    it booked before; entries after it are not missing yet, and without it none is.
    """
    board = _Board(entries, lines, rules, frozenset(apart))
    board.strong_keys()
    board.our_references()
    board.counterparties()
    board.fees()
    board.sums()
    board.reversals()
    waiting, unmatched = waiting_and_unmatched(
        [board.entries[i] for i in sorted(board.open_entries)],
        [board.lines[i] for i in sorted(board.open_lines)],
        Contacts(board.entries, {board.lines[i].key: named for i, named in board.named.items()}, board.open_entries),
        rules,
        complete_until,
    )
    return Outcome(tuple(board.found), tuple(unmatched), tuple(waiting))


class _Board:
    """Two lists, and what of them is still open. Items go by their place in the sorted lists."""

    def __init__(self, entries: Iterable[Entry], lines: Iterable[Line], rules: Rules, apart: frozenset[Pair]) -> None:
        self.entries = sorted(entries, key=lambda one: (one.on, one.key.transaction_id.int, one.key.leg))
        self.lines = sorted(lines, key=lambda one: (one.on, one.key))
        self.open_entries = {i for i, one in enumerate(self.entries) if not one.claimed}
        self.open_lines = set(range(len(self.lines)))
        self.named: dict[int, tuple[int, ...]] = {}
        """Entries that the references of a line name, whatever their amount, and whether they are open or not."""
        self.found: list[Found] = []
        self._rules, self._apart = rules, apart

    # -- passes ----------------------------------------------------------------------------------------------------

    def strong_keys(self) -> None:
        """The same reference on both sides. One that many share is none."""
        by_ref = _few(self.entries, lambda one: one.refs)
        of_lines = _few(self.lines, lambda one: one.refs)
        for i, line in enumerate(self.lines):
            named = {e for ref in line.refs if ref in of_lines for e in by_ref.get(ref, ())}
            if named:
                self.named[i] = tuple(sorted(named))

        def cost(entry: Entry, line: Line) -> int:
            return _seconds(entry, line) - _KEYS_WORTH * len(entry.refs & line.refs)

        self._take(
            Pass.STRONG_KEY,
            self._equal(self.named, cost),
            lambda entry, line: {"references": sorted(entry.refs & line.refs)},
        )

    def our_references(self) -> None:
        """Our reference in what the bank wrote, for lines of which no strong key is known."""
        known = OurReferences((text, i) for i, one in enumerate(self.entries) for text in sorted(one.ours))
        whole: dict[int, tuple[int, ...]] = {}
        parts: dict[int, tuple[int, ...]] = {}
        for i in sorted(self.open_lines - self.named.keys()):
            texts = (self.lines[i].text, *sorted(self.lines[i].refs))
            named = {e for text in texts for e in known.whole(text)}
            if named:
                whole[i] = tuple(sorted(named))
                continue
            named = {e for text in texts for e in known.parts(text)}
            if named:
                parts[i] = tuple(sorted(named))
        self.named |= whole | parts
        self._take(
            Pass.OUR_REFERENCE,
            self._equal(whole, _seconds),
            lambda entry, line: {"ours": sorted(entry.ours), "text": line.text},
        )
        self._take(
            Pass.OUR_REFERENCE,
            self._equal(parts, _seconds, near=True),
            lambda entry, line: {"ours": sorted(entry.ours), "text": line.text, "part": True},
        )

    def counterparties(self) -> None:
        """The other account, the amount and the date, for lines that name no entry; only where nothing else fits."""
        contested = {e for i in self.open_lines for e in self.named.get(i, ())}
        by_account: dict[tuple[str, str, int], list[int]] = defaultdict(list)
        for e in self.open_entries - contested:
            entry = self.entries[e]
            for account in entry.accounts:
                by_account[account, entry.currency, entry.amount_minor].append(e)
        fitting: dict[int, set[int]] = {}
        wanted_by: dict[int, int] = defaultdict(int)
        for i in sorted(self.open_lines - self.named.keys()):
            line = self.lines[i]
            texts = (line.text, *line.refs)
            fits = {
                e
                for text in texts
                for account in accounts_in(text)
                for e in by_account.get((account, line.currency, line.amount_minor), ())
                if self._near(self.entries[e], line) and (self.entries[e].key, line.key) not in self._apart
            }
            fitting[i] = fits
            for e in fits:
                wanted_by[e] += 1
        only = {i: min(fits) for i, fits in fitting.items() if len(fits) == 1}
        edges = {i: {e: 0} for i, e in only.items() if wanted_by[e] == 1}
        self._take(
            Pass.COUNTERPARTY,
            edges,
            lambda entry, line: {
                "accounts": sorted(entry.accounts & accounts_in(" ".join((line.text, *line.refs)))),
                "days": abs((entry.on - line.on).days),
            },
        )

    def fees(self) -> None:
        """References agree, and the amounts differ by what the rail took for itself."""
        touching = self._touching()
        for i in sorted(self.open_lines & self.named.keys()):
            line = self.lines[i]
            near = [e for e in self.named[i] if e in self.open_entries and self._along(self.entries[e], line)]
            if not near or any(touching[e] != [i] for e in near) or self._were_apart(near, [i]):
                continue
            if len(near) > 1:
                if sum(self.entries[e].amount_minor for e in near) == line.amount_minor:
                    self._close(Pass.FEE, near, [i], {"with": "fee that is booked"})
                continue
            entry = self.entries[near[0]]
            why = self._difference(entry, line.amount_minor - entry.amount_minor)
            if why is not None:
                self._close(Pass.FEE, near, [i], why, line.amount_minor - entry.amount_minor)

    def sums(self) -> None:
        """Several entries in one line (a settlement), and one entry in several lines (a payment in parts)."""
        by_group: dict[tuple[str, bool], list[int]] = defaultdict(list)
        for e in sorted(self.open_entries):
            for group in self.entries[e].groups:
                by_group[group, self.entries[e].amount_minor > 0].append(e)
        written = OurReferences((group, group) for group in sorted({group for group, _ in by_group}))
        shown: dict[tuple[str, bool], list[int]] = defaultdict(list)
        for i in sorted(self.open_lines):
            line = self.lines[i]
            groups = {g for g in line.refs if (g, line.amount_minor > 0) in by_group} or set(written.whole(line.text))
            if len(groups) == 1:
                shown[groups.pop(), line.amount_minor > 0].append(i)
        for key in sorted(shown.keys() & by_group.keys()):
            self._sum(by_group[key], shown[key], {"settlement": key[0]})
        for e, touched in sorted(self._touching().items()):
            if len(touched) > 1 and all(self._only_one(i, e) for i in touched):
                self._sum([e], touched, {"parts": len(touched)})

    def reversals(self) -> None:
        """Movements of one side that cancel each other, and of which the other side knows nothing."""
        touching = self._touching(any_direction=True)
        by_transaction = {self.entries[e].key.transaction_id: e for e in self.open_entries}
        for e in sorted(self.open_entries):
            back = self.entries[e]
            first = None if back.reverses is None else by_transaction.get(back.reverses)
            if first is None or first not in self.open_entries or touching.get(e) or touching.get(first):
                continue
            if self.entries[first].amount_minor == -back.amount_minor:
                self._close(Pass.REVERSAL, [first, e], [], {"reverses": str(back.reverses)})
        self._returned_lines()

    def _returned_lines(self) -> None:
        by_ref = _few(self.lines, lambda one: one.refs)
        edges: dict[int, dict[int, int]] = {}
        for i in sorted(self.open_lines):
            line = self.lines[i]
            if line.amount_minor > 0 or self._has_open(i):
                continue
            others = {o for ref in line.refs for o in by_ref.get(ref, ()) if o in self.open_lines}
            edges[i] = {
                o: abs(self.lines[o].at - line.at) // _SECOND
                for o in others
                if self.lines[o].amount_minor == -line.amount_minor
                and self.lines[o].currency == line.currency
                and not self._has_open(o)
            }
        for out, back in assign(edges):
            shared = sorted(self.lines[out].refs & self.lines[back].refs)
            self._close(Pass.REVERSAL, [], [out, back], {"references": shared})

    # -- what passes share -----------------------------------------------------------------------------------------

    def _equal(
        self, named: Mapping[int, Sequence[int]], cost: Callable[[Entry, Line], int], *, near: bool = False
    ) -> dict[int, dict[int, int]]:
        """Pairs of open items with the same amount, and what each would cost."""
        edges: dict[int, dict[int, int]] = {}
        for i, candidates in named.items():
            if i not in self.open_lines:
                continue
            line = self.lines[i]
            fits = {}
            for e in candidates:
                entry = self.entries[e]
                if (
                    e in self.open_entries
                    and entry.amount_minor == line.amount_minor
                    and entry.currency == line.currency
                    and not (near and not self._near(entry, line))
                    and (entry.key, line.key) not in self._apart
                ):
                    fits[e] = cost(entry, line)
            if fits:
                edges[i] = fits
        return edges

    def _take(
        self, by: Pass, edges: Mapping[int, Mapping[int, int]], evidence: Callable[[Entry, Line], dict[str, Any]]
    ) -> None:
        for i, e in assign(edges):
            entry, line = self.entries[e], self.lines[i]
            competitors = len(edges[i]) - 1
            told = evidence(entry, line)
            if competitors:
                told["competitors"] = competitors
            self._close(by, [e], [i], told)

    def _close(
        self, by: Pass, entries: Sequence[int], lines: Sequence[int], evidence: dict[str, Any], difference: int = 0
    ) -> None:
        self.open_entries -= set(entries)
        self.open_lines -= set(lines)
        mine, theirs = tuple(self.entries[e] for e in entries), tuple(self.lines[i] for i in lines)
        self.found.append(Found(by, mine, theirs, evidence, difference))

    def _sum(self, entries: Sequence[int], lines: Sequence[int], evidence: dict[str, Any]) -> None:
        mine = [e for e in entries if e in self.open_entries]
        theirs = [i for i in lines if i in self.open_lines]
        if not mine or not theirs or self._were_apart(mine, theirs):
            return
        if sum(self.entries[e].amount_minor for e in mine) == sum(self.lines[i].amount_minor for i in theirs):
            self._close(Pass.SUM, mine, theirs, evidence)

    def _difference(self, entry: Entry, difference_minor: int) -> dict[str, Any] | None:
        """The name of a difference; None: it has none."""
        gross = abs(entry.amount_minor)
        if entry.fee_minor is not None and difference_minor == -entry.fee_minor:
            return {"fee_minor": entry.fee_minor, "with": "fee that the rail told"}
        for fee in self._rules.fees:
            if fee.of(gross) and difference_minor == -fee.of(gross):
                return {"fee_minor": fee.of(gross), "with": "fee by the rules of the connection"}
        if abs(difference_minor) <= self._rules.tolerance_minor:
            return {"rounding_minor": difference_minor, "with": "rounding"}
        return None

    def _touching(self, *, any_direction: bool = False) -> dict[int, list[int]]:
        """Open lines by the open entries they name."""
        touching: dict[int, list[int]] = defaultdict(list)
        for i in sorted(self.open_lines & self.named.keys()):
            for e in self.named[i]:
                if e in self.open_entries and (any_direction or self._along(self.entries[e], self.lines[i])):
                    touching[e].append(i)
        return touching

    def _only_one(self, i: int, e: int) -> bool:
        """Whether this is the only open entry that the line names."""
        near = [o for o in self.named[i] if o in self.open_entries and self._along(self.entries[o], self.lines[i])]
        return near == [e]

    def _has_open(self, i: int) -> bool:
        return any(
            e in self.open_entries and self._along(self.entries[e], self.lines[i]) for e in self.named.get(i, ())
        )

    def _were_apart(self, entries: Iterable[int], lines: Sequence[int]) -> bool:
        return any((self.entries[e].key, self.lines[i].key) in self._apart for e in entries for i in lines)

    def _near(self, entry: Entry, line: Line) -> bool:
        return abs((entry.on - line.on).days) <= self._rules.window_days

    @staticmethod
    def _along(entry: Entry, line: Line) -> bool:
        """Whether both go the same way, in the same currency."""
        return (entry.amount_minor > 0) == (line.amount_minor > 0) and entry.currency == line.currency


def _few(items: Sequence[Any], refs: Callable[[Any], Iterable[str]]) -> dict[str, list[int]]:
    """Places of items by reference, without references that many share."""
    places: dict[str, list[int]] = defaultdict(list)
    for i, one in enumerate(items):
        for ref in refs(one):
            places[ref].append(i)
    return {ref: found for ref, found in places.items() if len(found) <= SIDE_MAX}


def _seconds(entry: Entry, line: Line) -> int:
    return abs(entry.at - line.at) // _SECOND
