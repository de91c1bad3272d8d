"""Books and bank lines with known answers, and with what goes wrong between them. Each seed is a case of its own."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from omniroute.money.reconciliation import Entry, EntryKey, Fee, Found, Line, Pass, Rules

CURRENCY = "NGN"
START = date(2026, 3, 2)
DAYS = 28
RULES = Rules(window_days=4, tolerance_minor=1, fees=(Fee(flat_minor=5_375),))
NOISE = {
    "cut_off": 0.02, "retyped": 0.02, "swapped": 0.02, "missing_in_books": 0.01, "missing_at_bank": 0.01,
    "repeated": 0.01, "fee": 0.02, "batch": 0.01, "split": 0.01, "reversed": 0.01, "late": 0.02, "neighbours": 0.02,
    "wrong_account": 0.005, "rounding": 0.005,
}  # fmt: skip
"""Which part of all movements has which trouble."""


@dataclass
class World:
    """`truth`: which entries and lines belong together; `twin`: which line another repeats."""

    entries: list[Entry] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    truth: set[tuple[frozenset[EntryKey], frozenset[str]]] = field(default_factory=set)
    twin: dict[str, str] = field(default_factory=dict)
    troubles: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """How well matches meet the truth. Shares in parts per million, so that they are whole."""

    matched: int
    right: int
    wrong_by_pass: dict[Pass, int]
    precision_ppm: int
    recall_ppm: int
    auto_by_count_ppm: int
    auto_by_value_ppm: int


def score(world: World, found: Iterable[Found]) -> Score:
    """Count what is right. A repeated line is as good as the first."""
    wrong: dict[Pass, int] = {}
    matched = right = value = lines = 0
    for one in found:
        matched += 1
        lines += len(one.lines)
        value += sum(abs(line.amount_minor) for line in one.lines)
        group = (
            frozenset(entry.key for entry in one.entries),
            frozenset(world.twin.get(line.key, line.key) for line in one.lines),
        )
        if group in world.truth:
            right += 1
        else:
            wrong[one.by] = wrong.get(one.by, 0) + 1
    all_value = sum(abs(line.amount_minor) for line in world.lines)
    return Score(
        matched,
        right,
        wrong,
        right * 1_000_000 // max(1, matched),
        right * 1_000_000 // max(1, len(world.truth)),
        lines * 1_000_000 // max(1, len(world.lines)),
        value * 1_000_000 // max(1, all_value),
    )


def make(count: int, *, seed: int, noisy: bool) -> World:
    """About `count` movements on each side."""
    maker = _Maker(random.Random(seed))
    while len(maker.world.entries) < count:
        trouble = maker.trouble() if noisy else "none"
        maker.world.troubles[trouble] = maker.world.troubles.get(trouble, 0) + 1
        getattr(maker, trouble)()
    return maker.world


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self.world, self._chance = World(), chance
        self._kinds, self._shares = [*NOISE, "none"], [*NOISE.values(), 1 - sum(NOISE.values())]

    def trouble(self) -> str:
        return self._chance.choices(self._kinds, self._shares)[0]

    # -- movements -------------------------------------------------------------------------------------------------

    def none(self) -> None:
        self.pair(self.entry())

    def cut_off(self) -> None:
        entry = self.entry()
        ref = min(entry.ours)
        self.pair(entry, refs=frozenset(), text=self.words(entry, ref[: self._chance.randint(20, 27)]))

    def retyped(self) -> None:
        entry = self.entry()
        ref = min(entry.ours)
        typed = self._chance.choice([
            ref.replace("0", "O"), ref.replace("1", "l"), f"{ref[:6]} {ref[6:18]} {ref[18:]}", f"{ref[:15]}-{ref[15:]}",
            f"xx{ref}/P",
        ])  # fmt: skip
        self.pair(entry, refs=frozenset(), text=self.words(entry, typed))

    def swapped(self) -> None:
        entry = self.entry()
        ref = min(entry.ours)
        at = self._chance.randint(18, 28)
        typed = ref[:at] + ref[at + 1] + ref[at] + ref[at + 2 :]
        self.pair(entry, refs=frozenset(), text=self.words(entry, typed))

    def missing_in_books(self) -> None:
        self.line(self.entry(booked=False))

    def missing_at_bank(self) -> None:
        self.entry()

    def repeated(self) -> None:
        line = self.pair(self.entry())
        again = Line(
            f"{line.key}-again", line.amount_minor, line.currency, line.on + timedelta(days=1),
            line.at + timedelta(days=1), line.refs, line.text,
        )  # fmt: skip
        self.world.lines.append(again)
        self.world.twin[again.key] = line.key

    def fee(self) -> None:
        entry = self.entry()
        self.pair(entry, amount_minor=entry.amount_minor - RULES.fees[0].of(abs(entry.amount_minor)))

    def batch(self) -> None:
        settlement = f"SETTLE{self.number(10)}"
        start = self.day()
        entries = [
            self.entry(incoming=True, day=start, groups=frozenset([settlement]))
            for _ in range(self._chance.randint(3, 7))
        ]
        total = sum(one.amount_minor for one in entries)
        line = self.line(entries[-1], amount_minor=total, refs=frozenset([settlement]), text="SETTLEMENT")
        self.belongs(entries, [line])

    def split(self) -> None:
        entry = self.entry(least_minor=100_000)
        part = entry.amount_minor // 3
        lines = [self.line(entry, amount_minor=part), self.line(entry, amount_minor=entry.amount_minor - part)]
        self.belongs([entry], lines)

    def reversed(self) -> None:
        entry = self.entry(incoming=False)
        self.pair(entry)
        later = timedelta(days=1)
        back = Entry(
            EntryKey(self.uuid(), 0), -entry.amount_minor, CURRENCY, entry.on + later, entry.at + later, entry.refs,
            entry.ours, entry.accounts, reverses=entry.key.transaction_id,
        )  # fmt: skip
        self.world.entries.append(back)
        self.pair(back)

    def late(self) -> None:
        self.pair(self.entry(), days=4)

    def neighbours(self) -> None:
        day, amount = self.day(), self.amount()
        first, second = self.entry(day=day, amount_minor=amount), self.entry(day=day, amount_minor=amount)
        self.pair(first, refs=frozenset(), text=self.words(first, ""))
        self.pair(second)

    def wrong_account(self) -> None:
        entry, other = self.entry(), self.entry()
        self.pair(other)
        self.pair(entry, refs=frozenset(), text=f"TRF TO {min(other.accounts)}")

    def rounding(self) -> None:
        entry = self.entry()
        self.pair(entry, amount_minor=entry.amount_minor + 1)

    # -- parts -----------------------------------------------------------------------------------------------------

    def entry(
        self,
        *,
        booked: bool = True,
        incoming: bool | None = None,
        day: date | None = None,
        amount_minor: int | None = None,
        least_minor: int = 10_000,
        groups: frozenset[str] = frozenset(),
    ) -> Entry:
        on = day or self.day()
        at = datetime(on.year, on.month, on.day, 7, tzinfo=UTC) + timedelta(seconds=self._chance.randint(0, 36_000))
        amount = self.amount(least_minor) if amount_minor is None else amount_minor
        if incoming if incoming is not None else self._chance.random() < 0.5:
            amount = abs(amount)
        elif amount_minor is None:
            amount = -amount
        ref = f"000013{at:%y%m%d%H%M%S}{self.number(12)}"
        refs = frozenset([ref, f"FT{self.number(10)}"])
        one = Entry(
            EntryKey(self.uuid(), 0), amount, CURRENCY, on, at, refs, frozenset([ref]), frozenset([self.number(10)]),
            groups,
        )  # fmt: skip
        if booked:
            self.world.entries.append(one)
        return one

    def line(
        self,
        entry: Entry,
        *,
        amount_minor: int | None = None,
        refs: frozenset[str] | None = None,
        text: str | None = None,
        days: int | None = None,
    ) -> Line:
        later = timedelta(
            days=self._chance.choice([0, 0, 0, 1]) if days is None else days, seconds=self._chance.randint(0, 600)
        )
        at = entry.at + later
        shown = entry.refs if refs is None else refs
        some = frozenset([self._chance.choice(sorted(shown))]) if shown and self._chance.random() < 0.3 else shown
        one = Line(
            f"S{len(self.world.lines):07d}", entry.amount_minor if amount_minor is None else amount_minor, CURRENCY,
            at.date(), at, some, self.words(entry, "") if text is None else text,
        )  # fmt: skip
        self.world.lines.append(one)
        return one

    def pair(
        self,
        entry: Entry,
        *,
        amount_minor: int | None = None,
        refs: frozenset[str] | None = None,
        text: str | None = None,
        days: int | None = None,
    ) -> Line:
        line = self.line(entry, amount_minor=amount_minor, refs=refs, text=text, days=days)
        self.belongs([entry], [line])
        return line

    def belongs(self, entries: list[Entry], lines: list[Line]) -> None:
        self.world.truth.add((frozenset(one.key for one in entries), frozenset(one.key for one in lines)))

    def words(self, entry: Entry, reference: str) -> str:
        """A narration: the other account in three of four."""
        account = min(entry.accounts) if self._chance.random() < 0.75 else "CUSTOMER"
        return " ".join(part for part in ("NIP TRF", account, reference) if part)

    def day(self) -> date:
        return START + timedelta(days=self._chance.randrange(DAYS))

    def amount(self, least_minor: int = 10_000) -> int:
        """Amounts of trade: many are round, and so many are alike."""
        if self._chance.random() < 0.5:
            return max(least_minor, self._chance.choice([50_000, 100_000, 200_000, 500_000, 1_000_000, 2_500_000]))
        return self._chance.randint(least_minor, 50_000_000)

    def number(self, digits: int) -> str:
        return f"{self._chance.randrange(10**digits):0{digits}d}"

    def uuid(self) -> UUID:
        return UUID(int=self._chance.getrandbits(128))
