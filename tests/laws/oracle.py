"""The ledger in plain Python: what it promises, item by item, written from its documentation and not from its SQL."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from omniroute.kit.money import MINOR_MAX
from omniroute.ledger import Command, Leg, Side, TxnKind

DEFERRED_LEG_MAX = 2**56


@dataclass
class Account:
    """Counters and limits of one account."""

    normal: Side
    currency: str
    deferred: bool = False
    floor: int | None = None
    ceiling: int | None = None
    status: str = "open"
    posted: dict[Side, int] = field(default_factory=lambda: {Side.DEBIT: 0, Side.CREDIT: 0})
    held: dict[Side, int] = field(default_factory=lambda: {Side.DEBIT: 0, Side.CREDIT: 0})
    version: int = 0

    @property
    def balance(self) -> int:
        """Posted, on the normal side."""
        return self.posted[self.normal] - self.posted[self.normal.other]

    @property
    def available(self) -> int:
        """What may still leave."""
        return self.balance - self.held[self.normal.other]

    @property
    def filled(self) -> int:
        """What the ceiling looks at."""
        return self.balance + self.held[self.normal]

    @property
    def counters(self) -> tuple[int, int, int, int]:
        """Posted debit and credit, held debit and credit."""
        return (
            self.posted[Side.DEBIT],
            self.posted[Side.CREDIT],
            self.held[Side.DEBIT],
            self.held[Side.CREDIT],
        )


@dataclass
class Part:
    """One leg that can be captured, released or reversed."""

    account_id: UUID
    side: Side
    amount: int
    left: int


@dataclass
class Booked:
    """A transaction. Entries are (account, side, held, amount, balance after, version)."""

    kind: TxnKind
    parts: list[Part]
    expires_at: datetime | None
    entries: list[tuple[UUID, Side, bool, int, int | None, int | None]]
    source: UUID | None


@dataclass
class Answer:
    """What the ledger must say to one item."""

    code: str
    replayed: bool = False
    booked: Booked | None = None


class No(Exception):
    """The item is refused with this code."""


class Oracle:
    """One tenant's ledger."""

    def __init__(self, accounts: dict[UUID, Account]) -> None:
        self.accounts = accounts
        self.sources: dict[UUID, Booked] = {}
        self.keys: dict[str, tuple[bytes, Answer]] = {}
        self.references: set[str] = set()

    def register(self, transaction_id: UUID, booked: Booked) -> None:
        """Learn the id that the ledger gave to a booked transaction."""
        self.sources[transaction_id] = booked

    def set_limits(self, account_id: UUID, floor: int | None, ceiling: int | None) -> bool:
        """Whether the limits are taken."""
        account = self.accounts[account_id]
        if floor is not None and (account.available < floor or (ceiling is not None and floor > ceiling)):
            return False
        if ceiling is not None and account.filled > ceiling:
            return False
        account.floor, account.ceiling = floor, ceiling
        return True

    def post(self, commands: Sequence[Command], at: datetime) -> list[Answer]:
        """Items one after the other; a linked group all or none."""
        answers: list[Answer] = []
        i = 0
        while i < len(commands):
            size = 1
            while commands[i].linked and i + size < len(commands) and commands[i + size].linked == commands[i].linked:
                size += 1
            answers.extend(self._group(commands[i : i + size], at))
            i += size
        return answers

    def _group(self, commands: Sequence[Command], at: datetime) -> list[Answer]:
        before = deepcopy((self.accounts, self.sources, self.references))
        answers: list[Answer] = []
        refused = False
        for command in commands:
            answer = self._claimed(command)
            if answer is None and refused:
                answer = Answer("ledger.linked_refused")
            elif answer is None:
                answer = self._item(command, at)
            answers.append(answer)
            if answer.code != "booked" and not refused:
                refused = True
                self.accounts, self.sources, self.references = before
                answers[:-1] = [
                    earlier if earlier.replayed else Answer("ledger.linked_refused") for earlier in answers[:-1]
                ]
        for command, answer in zip(commands, answers, strict=True):
            if command.key is not None and not answer.replayed and answer.code != "ledger.key_reused":
                self.keys[command.key] = (command.body_hash, answer)
        return answers

    def _claimed(self, command: Command) -> Answer | None:
        """The answer that keys and references give before anything is looked at."""
        if command.key in self.keys:
            body, first = self.keys[command.key]
            if body != command.body_hash:
                return Answer("ledger.key_reused")
            return Answer(first.code, True, first.booked)
        if command.reference in self.references:
            return Answer("ledger.duplicate_reference")
        return None

    def _item(self, command: Command, at: datetime) -> Answer:
        before = deepcopy((self.accounts, self.sources))
        try:
            booked = self._book(command, at)
        except No as no:
            self.accounts, self.sources = before
            return Answer(str(no))
        if command.reference is not None:
            self.references.add(command.reference)
        return Answer("booked", booked=booked)

    def _book(self, command: Command, at: datetime) -> Booked:
        for leg in command.legs:
            self._check_open(leg.account_id)
            if self.accounts[leg.account_id].currency != leg.amount.currency:
                raise No("ledger.currency_mismatch")
        moves: list[tuple[UUID, Side, bool, int]]
        if command.kind in (TxnKind.POST, TxnKind.HOLD):
            held = command.kind is TxnKind.HOLD
            moves = [(leg.account_id, leg.side, held, leg.amount.amount_minor) for leg in command.legs]
        else:
            moves = self._resolve(command, at)
        for condition in command.conditions:
            if condition.available_min_minor is None and condition.version is None:
                continue
            account = self.accounts.get(condition.account_id)
            if account is None:
                raise No("ledger.unknown_account")
            if account.deferred:
                raise No("ledger.condition_on_deferred")
            least, version = condition.available_min_minor, condition.version
            if (least is not None and account.available < least) or (version not in (None, account.version)):
                raise No("ledger.condition_failed")
        entries = [self._apply(*move) for move in moves]
        self._check_limits(moves)
        parts = [Part(a, side, amount, amount) for a, side, held, amount in moves if amount > 0]
        return Booked(command.kind, parts, command.expires_at, entries, command.source_id)

    def _check_open(self, account_id: UUID) -> None:
        account = self.accounts.get(account_id)
        if account is None:
            raise No("ledger.unknown_account")
        if account.status != "open":
            raise No(f"ledger.account_{account.status}")

    def _resolve(self, command: Command, at: datetime) -> list[tuple[UUID, Side, bool, int]]:
        assert command.source_id is not None
        source = self.sources.get(command.source_id)
        kind, reverse = command.kind, command.kind is TxnKind.REVERSE
        if source is None or (not reverse and source.kind is not TxnKind.HOLD):
            raise No("ledger.unknown_transaction" if reverse else "ledger.unknown_hold")
        if reverse and source.kind not in (TxnKind.POST, TxnKind.CAPTURE):
            raise No("ledger.not_reversible")
        if kind in (TxnKind.CAPTURE, TxnKind.REVERSE):
            for part in source.parts:
                self._check_open(part.account_id)
        if not reverse and not any(part.left for part in source.parts):
            raise No("ledger.hold_resolved")
        expired = source.expires_at is not None and source.expires_at <= at
        if kind is TxnKind.CAPTURE and expired:
            raise No("ledger.hold_expired")
        if kind is TxnKind.EXPIRE and not expired:
            raise No("ledger.hold_not_expired")
        moves: list[tuple[UUID, Side, bool, int]] = []
        for part, amount in zip(source.parts, self._amounts(command, source.parts), strict=True):
            if reverse and amount:
                moves.append((part.account_id, part.side.other, False, amount))
            elif not reverse:
                if amount:
                    moves.append((part.account_id, part.side, True, -amount))
                    moves.append((part.account_id, part.side, False, amount))
                rest = part.left - amount
                if rest and (kind is not TxnKind.CAPTURE or command.final):
                    moves.append((part.account_id, part.side, True, -rest))
                    part.left -= rest
            part.left -= amount
        if not moves:
            raise No("ledger.already_reversed" if reverse else "ledger.hold_resolved")
        return moves

    @staticmethod
    def _amounts(command: Command, parts: Sequence[Part]) -> list[int]:
        """How much of each leg."""
        if command.kind in (TxnKind.VOID, TxnKind.EXPIRE):
            return [0 for _ in parts]
        if command.amount_minor is not None:
            if len(parts) != 2:
                raise No("ledger.legs_needed")
            amounts = [command.amount_minor for _ in parts]
        elif command.legs:
            amounts = _spread(command.legs, parts)
        else:
            amounts = [part.left for part in parts]
        for part, amount in zip(parts, amounts, strict=True):
            if amount <= part.left:
                continue
            if command.kind is TxnKind.CAPTURE:
                raise No("ledger.capture_above_hold")
            raise No("ledger.reversal_above_original" if part.left else "ledger.already_reversed")
        if command.legs and any(
            not any((part.account_id, part.side) == (leg.account_id, leg.side) for part in parts)
            for leg in command.legs
        ):
            raise No("ledger.leg_not_in_source")
        return amounts

    def _apply(
        self, account_id: UUID, side: Side, held: bool, amount: int
    ) -> tuple[UUID, Side, bool, int, int | None, int | None]:
        account = self.accounts[account_id]
        if account.deferred and amount > DEFERRED_LEG_MAX:
            raise No("ledger.balance_overflow")
        if account.posted[side] + account.held[side] + amount > MINOR_MAX:
            raise No("ledger.balance_overflow")
        (account.held if held else account.posted)[side] += amount
        if account.deferred:
            return account_id, side, held, amount, None, None
        account.version += 1
        return account_id, side, held, amount, account.balance, account.version

    def _check_limits(self, moves: Sequence[tuple[UUID, Side, bool, int]]) -> None:
        for account_id, _, _, amount in moves:
            account = self.accounts[account_id]
            if amount > 0 and account.floor is not None and account.available < account.floor:
                raise No("ledger.insufficient_funds")
            if amount > 0 and account.ceiling is not None and account.filled > account.ceiling:
                raise No("ledger.ceiling_exceeded")


def _spread(legs: Sequence[Leg], parts: Sequence[Part]) -> list[int]:
    """Legs over the parts of the same account and side, in order."""
    asked: dict[tuple[UUID, Side], int] = {(leg.account_id, leg.side): leg.amount.amount_minor for leg in legs}
    last = {(part.account_id, part.side): i for i, part in enumerate(parts)}
    amounts = []
    for i, part in enumerate(parts):
        name = (part.account_id, part.side)
        rest = asked.get(name, 0)
        amounts.append(rest if i == last[name] else min(rest, part.left))
        asked[name] = rest - amounts[-1]
    return amounts
