"""Booking what came in: each credit once for ever, whoever told of it, how often and in which order.

What is booked here is what the provider has answered. The posting's reference is the gate: two who book the same credit
at once come one after the other, and the second finds it booked.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Int8Array, JsonbArray, TextArray, TimestampArray, Tx, UuidArray
from omniroute.infra.telemetry import logger
from omniroute.kit import ids
from omniroute.kit.ids import uuid7
from omniroute.ledger import Posted
from omniroute.ledger.errors import AccountClosed, AccountFrozen, DuplicateReference
from omniroute.money.collections import books
from omniroute.money.collections.events import CollectionUnplaced, CreditEvent, VirtualAccountCredited
from omniroute.money.collections.model import AccountCredit, VirtualAccount
from omniroute.money.collections.rules import against, bookable, cleaned, plain
from omniroute.money.collections.store import SQL, account_of, credit_of
from omniroute.ports.rails import Credit

log = logger("omniroute.collections")


@dataclass(frozen=True, slots=True)
class Inlet:
    """Where money came in: a connection, and its float on the ledger."""

    connection_id: UUID
    currency: str
    float_account_id: UUID


@dataclass(slots=True)
class _Draft:
    """A credit on its way to the books. `account` None: it waits for a person, `reason` tells why."""

    credit: Credit
    account: VirtualAccount | None
    reason: str | None
    credit_id: UUID
    transaction_id: UUID | None = None

    @property
    def fee_minor(self) -> int:
        return 0 if self.credit.fee is None else self.credit.fee.amount_minor


async def book_credits(
    tx: Tx, inlet: Inlet, credits_: Sequence[Credit], *, now: datetime, today: date, meta: Meta
) -> list[AccountCredit]:
    """Book what the provider says came in, as far as it is settled and not booked yet; what was new."""
    by_id = {credit.credit_id: credit for credit in credits_ if bookable(credit)}
    for credit in credits_:
        if credit.settled and not bookable(credit):
            log.error("what a provider says of a credit cannot be booked", credit=credit.credit_id[:200])
    if not by_id:
        return []
    accounts = await _lock_accounts(tx, inlet, by_id.values())
    done = sorted(by_id)
    known = await tx.all(SQL.known_credits, tenant=tx.tenant, connection=inlet.connection_id, credits=done)
    for row in known:
        _compare(row, by_id.pop(row.provider_credit_id))
    drafts = await _weigh(tx, accounts, sorted(by_id.values(), key=lambda one: (one.paid_at, one.credit_id)))
    if drafts:
        await _open_accounts(tx, inlet, drafts, now=now, meta=meta)
        drafts = await _post(tx, inlet, drafts, today=today, meta=meta)
    booked = await _write(tx, inlet, drafts, now=now)
    await tx.execute(SQL.close_hints, tenant=tx.tenant, connection=inlet.connection_id, credits=done, now=now)
    await events.append_many(tx, [told(_kind(one), one) for one in booked], meta)
    early = [one.account.virtual_account_id for one in drafts if one.account and one.account.ask_at is not None]
    if early:
        await tx.execute(SQL.ask_accounts_now, tenant=tx.tenant, accounts=early, now=now)
    return booked


def _kind(credit: AccountCredit) -> type[CreditEvent]:
    return CollectionUnplaced if credit.virtual_account_id is None else VirtualAccountCredited


async def _lock_accounts(tx: Tx, inlet: Inlet, found: Any) -> dict[str, VirtualAccount]:
    """The accounts these are for, held until the transaction ends: what is booked on one is booked in turn."""
    refs = sorted({credit.our_ref for credit in found if plain(credit.our_ref)})
    rows = await tx.all(SQL.lock_accounts_by_ref, tenant=tx.tenant, connection=inlet.connection_id, refs=refs)
    return {row.our_ref: account_of(row) for row in rows}


def _compare(row: Any, credit: Credit) -> None:
    fee = 0 if credit.fee is None else credit.fee.amount_minor
    said = (credit.amount.amount_minor, credit.amount.currency, fee)
    if said != (row.amount_minor, row.currency, row.fee_minor):
        log.error(
            "a provider says something else of a credit than before; what is booked stays",
            credit=credit.credit_id,
            booked=f"{row.amount_minor} {row.currency}, fee {row.fee_minor}",
            said=f"{said[0]} {said[1]}, fee {said[2]}",
        )


async def _weigh(tx: Tx, accounts: dict[str, VirtualAccount], found: Sequence[Credit]) -> list[_Draft]:
    """Which account takes which of these, in the order in which they were paid."""
    single = [one.virtual_account_id for one in accounts.values() if one.rules.single_use]
    taken: Counter[UUID] = Counter()
    if single:
        rows = await tx.all(SQL.credits_of_accounts, tenant=tx.tenant, accounts=single)
        taken.update({row.virtual_account_id: row.taken for row in rows})
    drafts = []
    for credit in found:
        account = accounts.get(credit.our_ref)
        reason = against(account, credit, taken=0 if account is None else taken[account.virtual_account_id])
        if account is not None and reason is None:
            taken[account.virtual_account_id] += 1
        drafts.append(_Draft(credit, None if reason else account, reason, uuid7()))
    return drafts


async def _open_accounts(tx: Tx, inlet: Inlet, drafts: Sequence[_Draft], *, now: datetime, meta: Meta) -> None:
    """The ledger accounts these need that are not there yet."""
    wanted: list[ledger.OpenAccount] = []
    for currency in {one.credit.amount.currency for one in drafts}:
        wanted += books.shared_accounts(currency)
        if currency != inlet.currency:
            wanted.append(books.other_float_account(inlet.connection_id, currency))
    await ledger.open_missing(tx, wanted, now=now, meta=meta)


async def _post(tx: Tx, inlet: Inlet, drafts: list[_Draft], *, today: date, meta: Meta) -> list[_Draft]:
    """Book these; those that are booked now. What a frozen account cannot take waits for a person.

    Raises: the ledger's refusal, when the accounts that all have in common cannot be booked on.
    """
    outcomes = await ledger.post(tx, [_command(tx, inlet, one, meta) for one in drafts], today=today)
    booked: list[_Draft] = []
    frozen: list[_Draft] = []
    for draft, outcome in zip(drafts, outcomes, strict=True):
        if isinstance(outcome, Posted):
            draft.transaction_id = outcome.transaction.transaction_id
            booked.append(draft)
        elif isinstance(outcome.refusal, DuplicateReference):
            continue  # Somebody else has booked it at this moment.
        elif draft.account is not None and isinstance(outcome.refusal, AccountFrozen | AccountClosed):
            frozen.append(_Draft(draft.credit, None, "account_frozen", draft.credit_id))
        else:
            raise outcome.refusal
    return booked + (await _post(tx, inlet, frozen, today=today, meta=meta) if frozen else [])


def _command(tx: Tx, inlet: Inlet, draft: _Draft, meta: Meta) -> ledger.Command:
    credit = draft.credit
    currency = credit.amount.currency
    own = currency == inlet.currency
    to = (
        ledger.account_id(tx.tenant, books.unplaced(currency))
        if draft.account is None
        else draft.account.ledger_account_id
    )
    return books.credit(
        tx.tenant,
        reference=books.reference_of(inlet.connection_id, credit.credit_id),
        to_account_id=to,
        float_account_id=inlet.float_account_id
        if own
        else ledger.account_id(tx.tenant, books.other_float(inlet.connection_id, currency)),
        amount=credit.amount,
        fee_minor=draft.fee_minor,
        metadata={"credit": ids.show("crd", draft.credit_id)},
        meta=meta,
    )


async def _write(tx: Tx, inlet: Inlet, drafts: Sequence[_Draft], *, now: datetime) -> list[AccountCredit]:
    if not drafts:
        return []
    found = [one.credit for one in drafts]
    rows = await tx.all(
        SQL.insert_credits,
        tenant=tx.tenant,
        connection=inlet.connection_id,
        now=now,
        credit_id=UuidArray.of([one.credit_id for one in drafts]),
        provider_credit_id=TextArray.of([one.credit_id for one in found]),
        our_ref=TextArray.of([cleaned(one.our_ref, 200) or "" for one in found]),
        account_number=TextArray.of([cleaned(one.account_number, 40) for one in found]),
        virtual_account_id=UuidArray.of(
            [None if one.account is None else one.account.virtual_account_id for one in drafts]
        ),
        amount_minor=Int8Array.of([one.amount.amount_minor for one in found]),
        fee_minor=Int8Array.of([one.fee_minor for one in drafts]),
        currency=TextArray.of([one.amount.currency for one in found]),
        payer=JsonbArray.of([_payer(one) for one in found]),
        session_id=TextArray.of([cleaned(one.session_id, 200) or None for one in found]),
        narration=TextArray.of([cleaned(one.narration) or "" for one in found]),
        paid_at=TimestampArray.of([one.paid_at for one in found]),
        transaction_id=UuidArray.of([one.transaction_id for one in drafts]),
        reason=TextArray.of([one.reason for one in drafts]),
    )
    return [credit_of(row) for row in rows]


def _payer(credit: Credit) -> bytes | None:
    if credit.payer is None:
        return None
    said = msgspec.to_builtins(credit.payer)
    return msgspec.json.encode({name: cleaned(text, 200) for name, text in said.items()})


def told(kind: type[CreditEvent], credit: AccountCredit) -> CreditEvent:
    """The event of a credit as it stands."""
    return kind(
        credit.credit_id,
        credit.virtual_account_id,
        credit.amount.amount_minor,
        credit.fee_minor,
        credit.amount.currency,
        credit.session_id or credit.provider_credit_id,
        credit.reason,
        credit.credited_transaction_id or credit.transaction_id,
    )


async def hear_credit(tx: Tx, connection_id: UUID, credit_id: str, *, now: datetime) -> str:
    """Somebody tells of a credit: a hint, so that the provider is asked about it. What was made of it, in a word."""
    if not plain(credit_id):
        return "credit_unreadable"
    state = await tx.value(SQL.hint_credit, tenant=tx.tenant, connection=connection_id, credit=credit_id, now=now)
    return "credit_booked" if state == "booked" else "credit_asked"
