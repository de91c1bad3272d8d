"""One call of `ledger_post`: commands to arrays, and the answer back to outcomes.

The SQL function speaks of accounts and sources by index, so that it needs no look-up of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import accumulate
from typing import Any
from uuid import UUID

import msgspec

from omniroute.infra.postgres import (
    BoolArray,
    CharArray,
    DateArray,
    Int4Array,
    Int8Array,
    JsonbArray,
    TextArray,
    TimestampArray,
    UuidArray,
)
from omniroute.kit.ids import show, uuid7
from omniroute.kit.refusal import Refusal
from omniroute.ledger.commands import Command, claim_digest
from omniroute.ledger.model import Booked, Entry, Outcome, Posted, Refused, Side, Transaction, TxnKind

_MADE = (TxnKind.POST, TxnKind.HOLD)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the parameters of the function, and what is needed to read its answer."""

    commands: Sequence[Command]
    transaction_ids: list[UUID]
    linked_ids: dict[int, UUID]
    today: date
    params: dict[str, Any]


def cut(commands: Sequence[Command]) -> list[Sequence[Command]]:
    """Runs in which no key and no reference stands twice: each is one call.

    The function claims all keys of a call before it books anything; a repeat within one call would not see the
    outcome of the first. One after the other they do. A linked group is never torn: no name repeats within one.
    """
    runs: list[Sequence[Command]] = []
    seen: set[str] = set()
    start = group = 0
    group_names: set[str] = set()
    for i, command in enumerate(commands):
        if not command.linked or command.linked != commands[group].linked:
            group, group_names = i, set()
        names = []
        if command.key is not None:
            names.append("k" + command.key)
        if command.reference is not None:
            names.append("r" + command.reference)
        if not seen.isdisjoint(names):
            runs.append(commands[start:group])
            start = group
            seen = set(group_names)
        seen.update(names)
        group_names.update(names)
    runs.append(commands[start:] if start else commands)
    return runs


def encode(
    tenant_id: UUID,
    commands: Sequence[Command],
    *,
    branches: Sequence[UUID] | None,
    today: date,
    at: datetime | None,
) -> Call:
    """Parameters for one call. `today` is the value date of commands that name none; `at` fixes the booking instant."""
    ids = [uuid7() for _ in commands]
    legs = [leg for command in commands for leg in command.legs]
    conditions = [(i, c) for i, command in enumerate(commands, start=1) for c in command.conditions]
    # As numbers: UUIDs compare as 128-bit numbers in Python, byte by byte in PostgreSQL, which is the same order, and
    # numbers hash and sort ten times as fast.
    leg_accounts = [leg.account_id.int for leg in legs]
    named = sorted({*leg_accounts, *[c.account_id.int for _, c in conditions]})
    number = {account: i for i, account in enumerate(named, start=1)}
    cond = [
        (i, number[c.account_id.int], kind, value)
        for i, c in conditions
        for kind, value in (("a", c.available_min_minor), ("v", c.version))
        if value is not None
    ]
    counts = [len(command.legs) for command in commands]
    leg_to = list(accumulate(counts))
    currencies = [leg.amount.currency for leg in legs]
    sources: dict[UUID, int] = {}
    source = [0 if c.source_id is None else sources.setdefault(c.source_id, len(sources) + 1) for c in commands]
    linked_ids = {linked: uuid7() for linked in {command.linked for command in commands} if linked}
    params: dict[str, Any] = {
        "tenant": tenant_id,
        "branches": None if branches is None else UuidArray.of(list(branches)),
        "accounts": UuidArray.of_bytes([account.to_bytes(16) for account in named]),
        "sources": UuidArray.of(list(sources)),
        "txn": UuidArray.of(ids),
        "kind": CharArray.of([c.kind for c in commands]),
        "claim": _some(UuidArray.of_bytes, [None if c.key is None else claim_digest("k", c.key) for c in commands]),
        "hash": _some(UuidArray.of_bytes, [None if c.key is None else c.body_hash for c in commands]),
        "reference": _some(TextArray.of, [c.reference for c in commands]),
        "ref_claim": _some(
            UuidArray.of_bytes, [None if c.reference is None else claim_digest("r", c.reference) for c in commands]
        ),
        "value_on": DateArray.of([c.value_on or today for c in commands]),
        "late": _set(BoolArray.of, [c.late for c in commands]),
        "soft": _set(BoolArray.of, [c.may_soft for c in commands]),
        "linked": _set(Int4Array.of, [c.linked for c in commands]),
        "linked_id": UuidArray.of([linked_ids.get(c.linked) for c in commands]) if linked_ids else None,
        "source": Int4Array.of(source) if sources else None,
        "expires": _some(TimestampArray.of, [c.expires_at for c in commands]),
        "group": _some(UuidArray.of, [c.group_id for c in commands]),
        "final": BoolArray.of([c.final for c in commands]) if sources else None,
        "amount": Int8Array.of_nullable([c.amount_minor for c in commands]) if sources else None,
        "meta": _some(JsonbArray.of, [c.metadata_json for c in commands]),
        "correlation": _some(UuidArray.of, [c.meta.correlation_id for c in commands]),
        "causation": _some(UuidArray.of, [c.meta.causation_id for c in commands]),
        "actor": _some(TextArray.of, [c.meta.actor for c in commands]),
        "channel": _some(TextArray.of, [c.meta.channel for c in commands]),
        "leg_from": Int4Array.of([to - count + 1 for to, count in zip(leg_to, counts, strict=True)]),
        "leg_to": Int4Array.of(leg_to),
        "leg_item": Int4Array.of([i for i, count in enumerate(counts, start=1) for _ in range(count)]),
        "leg_account": Int4Array.of([number[account] for account in leg_accounts]),
        "leg_side": Int4Array.of([1 if leg.side is Side.DEBIT else -1 for leg in legs]),
        "leg_amount": Int8Array.of([leg.amount.amount_minor for leg in legs]),
        "leg_currency": TextArray.of(currencies[:1] if len(set(currencies)) == 1 else currencies),
        "cond_item": Int4Array.of([c[0] for c in cond]) if cond else None,
        "cond_account": Int4Array.of([c[1] for c in cond]) if cond else None,
        "cond_kind": CharArray.of([c[2] for c in cond]) if cond else None,
        "cond_value": Int8Array.of([c[3] for c in cond]) if cond else None,
        "at": at,
    }
    return Call(commands, ids, linked_ids, today, params)


def _some(make: Callable[[list[Any]], Any], values: list[Any]) -> Any:
    """The array, or NULL when it would hold nothing but NULLs: the function then need not unpack it."""
    for value in values:
        if value is not None:
            return make(values)
    return None


def _set(make: Callable[[list[Any]], Any], values: list[Any]) -> Any:
    """The array, or NULL when it would hold nothing but false or 0."""
    return make(values) if any(values) else None


def decode(call: Call, row: Any) -> tuple[list[Outcome | None], dict[int, UUID]]:
    """Outcomes in order of the commands; and, by position, the transactions still to be read from the tables.

    Those are replays, and items whose entries the caller did not write (captures, voids, reversals).
    """
    outcomes: list[Outcome | None] = []
    unread: dict[int, UUID] = {}
    first = 0
    codes, balances, versions = row.o_code, row.o_leg_balance, row.o_leg_version
    for i, command in enumerate(call.commands):
        own, first = first, first + len(command.legs)
        if codes is not None:
            if codes[i] is not None:
                outcomes.append(Refused(_refusal(codes[i], row.o_facts[i], command), row.o_replayed[i]))
                continue
            if row.o_replayed[i]:
                unread[i] = row.o_txn[i]
                outcomes.append(None)
                continue
        if command.kind not in _MADE:
            unread[i] = call.transaction_ids[i]
            outcomes.append(None)
            continue
        held = command.kind is TxnKind.HOLD
        entries = tuple(
            [
                Entry(k + 1, leg.account_id, leg.side, held, leg.amount, balances[own + k], versions[own + k])
                for k, leg in enumerate(command.legs)
            ]
        )
        asked_on = command.value_on or call.today
        value_on = asked_on if row.o_value_on is None else row.o_value_on[i]
        outcomes.append(
            Posted(
                Transaction(
                    call.transaction_ids[i],
                    command.kind,
                    value_on,
                    None if asked_on == value_on else asked_on,
                    row.o_booked_at,
                    None,
                    call.linked_ids.get(command.linked),
                    command.reference,
                    {} if command.metadata_json is None else msgspec.json.decode(command.metadata_json),
                    entries,
                )
            )
        )
    return outcomes, unread


def decode_ids(call: Call, row: Any) -> list[Booked]:
    """What each command was booked as, now or before under the same key, or its refusal."""
    codes = row.o_code
    if codes is None:
        return list(call.transaction_ids)
    return [
        Refused(_refusal(codes[i], row.o_facts[i], command), row.o_replayed[i])
        if codes[i] is not None
        else row.o_txn[i]
        if row.o_replayed[i]
        else call.transaction_ids[i]
        for i, command in enumerate(call.commands)
    ]


def _refusal(code: str, facts: dict[str, Any] | None, command: Command) -> Refusal:
    """The refusal class behind a code, with accounts named as the caller wrote them."""
    shown = dict(facts or {})
    if "account" in shown:
        account = UUID(shown["account"])
        labels = {leg.account_id: leg.label for leg in command.legs} | {
            c.account_id: c.label for c in command.conditions
        }
        shown["account"] = labels.get(account) or show("acc", account)
    if "transaction" in shown:
        shown["transaction"] = show("txn", UUID(shown["transaction"]))
    return Refusal.by_code[code](None, **shown)
