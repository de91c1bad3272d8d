"""Matches by hand: one person proposes, another approves. Runs leave them alone."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from psycopg import errors as pg

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Int4Array, Tx, UuidArray, read_page
from omniroute.kit.ids import uuid7
from omniroute.kit.paging import Page
from omniroute.money.reconciliation import books
from omniroute.money.reconciliation.errors import (
    AmountsDiffer,
    ApproverIsProposer,
    CurrenciesDiffer,
    DifferenceAccountNotFound,
    ItemNotFound,
    MalformedReconciliation,
    MatchNotFound,
    NoDifference,
    WrongMatchState,
)
from omniroute.money.reconciliation.events import (
    MatchApproved,
    MatchEvent,
    MatchProposed,
    MatchRejected,
    MatchUndone,
)
from omniroute.money.reconciliation.loading import Ground, find_ground
from omniroute.money.reconciliation.model import RULE_VERSION, EntryKey, Match, MatchKind, MatchState
from omniroute.money.reconciliation.running import hold
from omniroute.money.reconciliation.store import MATCHES, SQL, claim, match_of

ITEMS_MAX = 200


async def propose_match(
    tx: Tx,
    connection_id: UUID,
    entries: Sequence[EntryKey],
    lines: Sequence[str],
    *,
    reason: str,
    difference_account: str | None,
    actor: str,
    now: datetime,
    meta: Meta,
) -> Match:
    """Say that these belong together; they are held until another person approves or rejects it.

    Where the amounts differ, `difference_account` bears the difference: it is booked with the approval.

    Raises: ConnectionNotFound, MalformedReconciliation, ItemNotFound, CurrenciesDiffer, AmountsDiffer, NoDifference,
    DifferenceAccountNotFound, ItemClaimed.
    """
    if not 1 <= len(entries) + len(lines) <= ITEMS_MAX or len({*entries}) + len({*lines}) < len(entries) + len(lines):
        raise MalformedReconciliation(f"1 to {ITEMS_MAX} items, each once", field="entries")
    await hold(tx, connection_id, by=actor, now=now)
    ground = await find_ground(tx, connection_id)
    mine, theirs, currency = await _items(tx, ground, entries, lines)
    book_minor, bank_minor = sum(one[1] for one in mine), sum(one[1] for one in theirs)
    if book_minor == bank_minor:
        if difference_account is not None:
            raise NoDifference()
    else:
        await _check_account(tx, ground, difference_account, currency, bank_minor - book_minor)
    match_id = uuid7()
    await tx.execute(
        SQL.insert_match,
        tenant=tx.tenant,
        match=match_id,
        connection=connection_id,
        kind=(MatchKind.MANUAL if book_minor == bank_minor else MatchKind.FORCED).value,
        rule_version=RULE_VERSION,
        currency=currency,
        book_minor=book_minor,
        bank_minor=bank_minor,
        difference_account=difference_account,
        reason=reason,
        by=actor,
        now=now,
    )
    await claim(
        tx,
        connection_id,
        [(match_id, key, amount) for key, amount in mine],
        [(match_id, key, amount) for key, amount in theirs],
    )
    return await _told(tx, MatchProposed, match_id, meta)


async def _items(
    tx: Tx, ground: Ground, entries: Sequence[EntryKey], lines: Sequence[str]
) -> tuple[list[tuple[EntryKey, int]], list[tuple[str, int]], str]:
    found = await tx.all(
        SQL.find_entries,
        tenant=tx.tenant,
        account=ground.float_account_id,
        txn_id=UuidArray.of([one.transaction_id for one in entries]),
        leg=Int4Array.of([one.leg for one in entries]),
    )
    shown = await tx.all(SQL.find_lines, tenant=tx.tenant, connection=ground.connection_id, lines=list(lines))
    if len(found) < len(entries) or len(shown) < len(lines):
        raise ItemNotFound()
    currencies = {row.currency for row in (*found, *shown)}
    if len(currencies) > 1:
        raise CurrenciesDiffer(currencies=sorted(currencies))
    mine = [(EntryKey(row.txn_id, row.leg), int(row.amount_minor)) for row in found]
    return mine, [(str(row.line_id), int(row.amount_minor)) for row in shown], currencies.pop()


async def _check_account(tx: Tx, ground: Ground, code: str | None, currency: str, difference_minor: int) -> None:
    if code is None:
        raise AmountsDiffer(difference_minor=difference_minor, currency=currency)
    account_id = ledger.account_id(tx.tenant, code)
    account = (await ledger.find_accounts(tx, [account_id])).get(account_id)
    if account is None or account.currency != currency or account_id == ground.float_account_id:
        raise DifferenceAccountNotFound(account=code, currency=currency)


async def approve_match(tx: Tx, match_id: UUID, *, actor: str, now: datetime, today: date, meta: Meta) -> Match:
    """Another person's yes. A difference is booked in the same transaction.

    Raises: MatchNotFound, WrongMatchState, ApproverIsProposer, and what the ledger refuses.
    """
    match = await _lock(tx, match_id, MatchState.PROPOSED)
    transaction_id = None
    if match.difference_minor:
        assert match.difference_account is not None
        ground = await find_ground(tx, match.connection_id)
        command = books.difference(
            match_id,
            ground.float_account_id,
            ledger.account_id(tx.tenant, match.difference_account),
            match.difference_minor,
            match.currency,
            meta=meta,
        )
        transaction_id = (await ledger.post_one(tx, command, today=today)).transaction_id
    await _decide(tx, match, MatchState.MATCHED, actor=actor, transaction_id=transaction_id, now=now)
    if transaction_id is not None:
        key = EntryKey(transaction_id, books.FLOAT_LEG)
        await claim(tx, match.connection_id, [(match_id, key, match.difference_minor)], [])
    await tx.execute(SQL.resolve_matched, tenant=tx.tenant, connection=match.connection_id, now=now, by=actor)
    return await _told(tx, MatchApproved, match_id, meta)


async def reject_match(tx: Tx, match_id: UUID, *, actor: str, now: datetime, meta: Meta) -> Match:
    """A no, by whoever: the items are free again. Raises: MatchNotFound, WrongMatchState."""
    match = await _lock(tx, match_id, MatchState.PROPOSED)
    await _decide(tx, match, MatchState.REJECTED, actor=actor, transaction_id=None, now=now)
    return await _told(tx, MatchRejected, match_id, meta)


async def _decide(
    tx: Tx, match: Match, state: MatchState, *, actor: str, transaction_id: UUID | None, now: datetime
) -> None:
    try:
        async with tx.savepoint():
            await tx.execute(
                SQL.decide_match,
                tenant=tx.tenant,
                match=match.match_id,
                state=state.value,
                by=actor,
                transaction=transaction_id,
                now=now,
            )
    except pg.IntegrityError as error:
        if error.diag.constraint_name == "reconciliation_match_four_eyes":
            raise ApproverIsProposer() from error
        raise


async def undo_match(
    tx: Tx, match_id: UUID, *, reason: str, actor: str, now: datetime, today: date, meta: Meta
) -> Match:
    """Take a match apart, whoever made it; its difference is reversed, and runs do not make it again.

    Raises: MatchNotFound, WrongMatchState, and what the ledger refuses.
    """
    match = await _lock(tx, match_id, MatchState.MATCHED)
    if match.difference_transaction_id is not None:
        await books.take_back(tx, match_id, match.difference_transaction_id, today=today, meta=meta)
    await tx.execute(SQL.undo_match, tenant=tx.tenant, match=match_id, by=actor, now=now, reason=reason)
    return await _told(tx, MatchUndone, match_id, meta)


async def _lock(tx: Tx, match_id: UUID, state: MatchState) -> Match:
    if await tx.one_or_none(SQL.lock_match, tenant=tx.tenant, match=match_id) is None:
        raise MatchNotFound()
    match = await find_match(tx, match_id)
    if match.state is not state:
        raise WrongMatchState(state=match.state.value)
    return match


async def find_match(tx: Tx, match_id: UUID) -> Match:
    """One match. Raises: MatchNotFound."""
    row = await tx.one_or_none(SQL.find_match, tenant=tx.tenant, match=match_id)
    if row is None:
        raise MatchNotFound()
    return match_of(row)


async def list_matches(
    tx: Tx,
    *,
    connection_id: UUID | None = None,
    state: MatchState | None = None,
    kind: MatchKind | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Match]:
    """A page of matches. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        MATCHES,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        connection=connection_id,
        state=None if state is None else state.value,
        kind=None if kind is None else kind.value,
    )
    return page.map(match_of)


async def _told(tx: Tx, kind: type[MatchEvent], match_id: UUID, meta: Meta) -> Match:
    match = await find_match(tx, match_id)
    event = kind(match_id, match.connection_id, match.kind.value, match.currency, match.book_minor, match.bank_minor)
    await events.append(tx, event, meta)
    return match
