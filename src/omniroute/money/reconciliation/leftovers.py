"""What is left when every pass is through: why, and what it may belong to."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from omniroute.money.reconciliation.model import Entry, ExceptionKind, Line, Rules, Suggestion, Unmatched
from omniroute.money.reconciliation.references import alike

SUGGESTIONS_MAX = 3
_CANDIDATES_MAX = 50
_WIDER = 3  # Suggestions look so many times as far as a match may.


@dataclass(frozen=True, slots=True)
class Contacts:
    """Which entries the references of a line name, by their places in `entries`."""

    entries: Sequence[Entry]
    by_line: Mapping[str, Sequence[int]]
    open_entries: Set[int]

    def of(self, line: Line) -> tuple[list[Entry], list[Entry]]:
        """Entries that are named: those still open, and the others."""
        named = self.by_line.get(line.key, ())
        return (
            [self.entries[e] for e in named if e in self.open_entries],
            [self.entries[e] for e in named if e not in self.open_entries],
        )


def waiting_and_unmatched(
    entries: Sequence[Entry], lines: Sequence[Line], contacts: Contacts, rules: Rules, complete_until: datetime | None
) -> tuple[list[Entry], list[Unmatched]]:
    """Entries that may still come, and everything else with its reason; an entry and a line that differ are one."""
    waiting: list[Entry] = []
    unmatched: list[Unmatched] = []
    suggested = _suggestions(entries, lines, rules)
    explained: set[object] = set()
    for line in lines:
        kind, entry = _why(line, contacts, explained)
        if entry is not None:
            explained.add(entry.key)
        unmatched.append(Unmatched(kind, entry, line, tuple(suggested.get(line.key, ()))))
    by_entry: dict[object, list[Suggestion]] = defaultdict(list)
    for found in suggested.values():
        for one in found:
            by_entry[one.transaction_id, one.leg].append(one)
    for entry in entries:
        if entry.key in explained:
            continue
        if complete_until is None or entry.at >= complete_until:
            waiting.append(entry)
            continue
        kind = ExceptionKind.MISSING_AT_BANK if entry.reverses is None else ExceptionKind.REVERSAL_UNPAIRED
        best = sorted(by_entry.get(entry.key, ()), key=lambda one: (-one.score, one.line_id))
        unmatched.append(Unmatched(kind, entry, None, tuple(best[:SUGGESTIONS_MAX])))
    return waiting, unmatched


def _why(line: Line, contacts: Contacts, explained: Set[object]) -> tuple[ExceptionKind, Entry | None]:
    still_open, closed = contacts.of(line)
    incoming = line.amount_minor > 0
    along = [one for one in still_open if (one.amount_minor > 0) == incoming and one.key not in explained]
    if along:
        entry = min(along, key=lambda one: (abs(one.amount_minor - line.amount_minor), one.key))
        if entry.currency != line.currency:
            return ExceptionKind.CURRENCY, entry
        more = abs(line.amount_minor) > abs(entry.amount_minor)
        if abs(line.amount_minor) != abs(entry.amount_minor):
            return (ExceptionKind.AMOUNT_OVER if more else ExceptionKind.AMOUNT_UNDER), entry
    if any(one.amount_minor == line.amount_minor and one.currency == line.currency for one in closed):
        return ExceptionKind.DUPLICATE, None
    if any(one.amount_minor == -line.amount_minor for one in [*still_open, *closed]):
        return ExceptionKind.REVERSAL_UNPAIRED, None
    return ExceptionKind.MISSING_IN_BOOKS, None


def _suggestions(entries: Sequence[Entry], lines: Sequence[Line], rules: Rules) -> dict[str, list[Suggestion]]:
    """What open lines may belong to: the same amount, not too far away, the likest text first."""
    by_amount: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        by_amount[entry.currency, entry.amount_minor].append(entry)
    found: dict[str, list[Suggestion]] = {}
    for line in lines:
        candidates = by_amount.get((line.currency, line.amount_minor), [])
        if not candidates or len(candidates) > _CANDIDATES_MAX:
            continue
        scored = [
            (_score(entry, line, days), entry.key)
            for entry in candidates
            if (days := abs((entry.on - line.on).days)) <= _WIDER * max(1, rules.window_days)
        ]
        best = sorted(scored, key=lambda one: (-one[0], one[1]))[:SUGGESTIONS_MAX]
        if best:
            found[line.key] = [Suggestion(key.transaction_id, key.leg, line.key, score) for score, key in best]
    return found


def _score(entry: Entry, line: Line, days: int) -> int:
    texts = [line.text, *line.refs]
    names = [*entry.refs, *entry.ours]
    likest = max((alike(name, text) for name in names for text in texts), default=0)
    return max(0, 20 + 8 * likest // 10 - 2 * days)
