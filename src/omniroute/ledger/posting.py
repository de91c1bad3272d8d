"""One call of `ledger_post`: commands to arrays, and the answer back to outcomes.

The SQL function speaks of accounts and sources by index, so that it needs no look-up of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
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
from omniroute.ledger.commands import Command, claim_id
from omniroute.ledger.model import Entry, Outcome, Posted, Refused, Side, Transaction, TxnKind

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
    accounts = _numbered(commands)
    sources: dict[UUID, int] = {}
    leg_from: list[int] = []
    leg_to: list[int] = []
    leg_account: list[int] = []
    leg_side: list[int] = []
    leg_amount: list[int] = []
    leg_currency: list[str] = []
    cond: list[tuple[int, int, str, int]] = []
    source: list[int] = []
    linked_ids: dict[int, UUID] = {}
    position = 0
    for i, command in enumerate(commands):
        leg_from.append(position + 1)
        for leg in command.legs:
            leg_account.append(accounts[leg.account_id])
            leg_side.append(1 if leg.side is Side.DEBIT else -1)
            leg_amount.append(leg.amount.amount_minor)
            leg_currency.append(leg.amount.currency)
        position = len(leg_account)
        leg_to.append(position)
        for c in command.conditions:
            index = accounts[c.account_id]
            if c.available_min_minor is not None:
                cond.append((i + 1, index, "a", c.available_min_minor))
            if c.version is not None:
                cond.append((i + 1, index, "v", c.version))
        source.append(0 if command.source_id is None else sources.setdefault(command.source_id, len(sources) + 1))
        if command.linked and command.linked not in linked_ids:
            linked_ids[command.linked] = uuid7()
    resolving = bool(sources)
    params: dict[str, Any] = {
        "tenant": tenant_id,
        "branches": None if branches is None else UuidArray.of(list(branches)),
        "accounts": UuidArray.of(list(accounts)),
        "sources": UuidArray.of(list(sources)),
        "txn": UuidArray.of(ids),
        "kind": CharArray.of([c.kind.value for c in commands]),
        "claim": UuidArray.of([None if c.key is None else claim_id("k", c.key) for c in commands]),
        "hash": UuidArray.of([None if c.key is None else c.body_hash for c in commands]),
        "reference": _some(TextArray, [c.reference for c in commands]),
        "ref_claim": _some(UuidArray, [None if c.reference is None else claim_id("r", c.reference) for c in commands]),
        "value_on": DateArray.of([c.value_on or today for c in commands]),
        "late": BoolArray.of([c.late for c in commands]),
        "soft": BoolArray.of([c.may_soft for c in commands]),
        "linked": Int4Array.of([c.linked for c in commands]),
        "linked_id": _some(UuidArray, [linked_ids.get(c.linked) for c in commands]),
        "source": Int4Array.of(source),
        "expires": _some(TimestampArray, [c.expires_at for c in commands]),
        "group": _some(UuidArray, [c.group_id for c in commands]),
        "final": BoolArray.of([c.final for c in commands]) if resolving else None,
        "amount": Int8Array.of_nullable([c.amount_minor for c in commands]) if resolving else None,
        "meta": _some(JsonbArray, [c.metadata_json for c in commands]),
        "correlation": _some(UuidArray, [c.meta.correlation_id for c in commands]),
        "causation": _some(UuidArray, [c.meta.causation_id for c in commands]),
        "actor": _some(TextArray, [c.meta.actor for c in commands]),
        "channel": _some(TextArray, [c.meta.channel for c in commands]),
        "leg_from": Int4Array.of(leg_from),
        "leg_to": Int4Array.of(leg_to),
        "leg_account": Int4Array.of(leg_account),
        "leg_side": Int4Array.of(leg_side),
        "leg_amount": Int8Array.of(leg_amount),
        "leg_currency": TextArray.of(leg_currency),
        "cond_item": Int4Array.of([c[0] for c in cond]) if cond else None,
        "cond_account": Int4Array.of([c[1] for c in cond]) if cond else None,
        "cond_kind": CharArray.of([c[2] for c in cond]) if cond else None,
        "cond_value": Int8Array.of([c[3] for c in cond]) if cond else None,
        "at": at,
    }
    return Call(commands, ids, linked_ids, today, params)


def _some(kind: Any, values: list[Any]) -> Any:
    """The array, or NULL when it would hold nothing but NULLs: the function then need not unpack it."""
    return None if values.count(None) == len(values) else kind.of(values)


def _numbered(commands: Sequence[Command]) -> dict[UUID, int]:
    """Every account that commands name, numbered from 1 in the order in which PostgreSQL sorts and locks them."""
    named = {leg.account_id for command in commands for leg in command.legs}
    named.update([c.account_id for command in commands for c in command.conditions])
    # UUIDs compare as 128-bit numbers in Python, byte by byte in PostgreSQL: the same order.
    return {account: i for i, account in enumerate(sorted(named), start=1)}


def decode(call: Call, row: Any) -> tuple[list[Outcome | None], dict[int, UUID]]:
    """Outcomes in order of the commands; and, by position, the transactions still to be read from the tables.

    Those are replays, and items whose entries the caller did not write (captures, voids, reversals).
    """
    outcomes: list[Outcome | None] = []
    unread: dict[int, UUID] = {}
    entry = 0
    items, balances, versions = row.o_entry_item, row.o_entry_balance, row.o_entry_version
    for i, command in enumerate(call.commands):
        code = row.o_code[i]
        if code is not None:
            outcomes.append(Refused(_refusal(code, row.o_facts[i], command), row.o_replayed[i]))
            continue
        first = entry
        while entry < len(items) and items[entry] == i + 1:
            entry += 1
        if row.o_replayed[i] or command.kind not in _MADE:
            unread[i] = row.o_txn[i]
            outcomes.append(None)
            continue
        held = command.kind is TxnKind.HOLD
        entries = tuple(
            [
                Entry(k + 1, leg.account_id, leg.side, held, leg.amount, balances[first + k], versions[first + k])
                for k, leg in enumerate(command.legs)
            ]
        )
        value_on = row.o_value_on[i]
        asked_on = command.value_on or call.today
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
