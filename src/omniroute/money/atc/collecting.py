"""Recording collections, many at once: grant, parts of all levels, posting, rows and events in one transaction.

What only needs the grant is refused without touching the books; a credit is spent under its lock; the ledger has the
last word, by the ceilings of what may be collected and the floors of what pays. What is refused leaves no trace.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.idempotency import KeyReused
from omniroute.infra.postgres import Tx
from omniroute.kit.money import Money
from omniroute.kit.refusal import Refusal
from omniroute.ledger import Booked, Command, Refused
from omniroute.money import collections
from omniroute.money.atc import books
from omniroute.money.atc.cascade import Level, cascade
from omniroute.money.atc.collections_errors import (
    AboveMaximum,
    CollectionExists,
    CreditNotUsable,
    CreditUnknown,
    CumulativeLimitReached,
    NotCovered,
    WrongPayer,
)
from omniroute.money.atc.collections_events import CollectionRecorded
from omniroute.money.atc.collections_model import (
    Collection,
    CollectionRequest,
    NotRecorded,
    RecordCollection,
    Recorded,
    RecordOutcome,
    Source,
)
from omniroute.money.atc.collections_rules import check_collection
from omniroute.money.atc.collections_store import SQL, find_by_keys, find_by_references, row_of
from omniroute.money.atc.finding import Chain, find_chains
from omniroute.money.atc.levels import levels_of, tell
from omniroute.money.atc.model import collected_code
from omniroute.money.collections.errors import CreditNotFound, CreditSpent
from omniroute.parties import partners
from omniroute.parties.partners import Partner, PartnerNotFound


@dataclass(slots=True)
class _Draft:
    """An item of the batch on its way through the checks."""

    place: int
    request: CollectionRequest
    chain: Chain
    levels: list[Level]
    credit_id: UUID | None = None
    from_account_id: UUID | None = None
    from_label: str = ""

    @property
    def currency(self) -> str:
        return self.chain[0].currency

    @property
    def amount(self) -> Money:
        return Money(self.request.command.amount_minor, self.currency)


_Accepted = tuple[_Draft, tuple[Collection, ...]]


class _Nothing(Exception):
    """Nothing was recorded: accounts that were opened for it are not there either."""


async def record_collections(
    tx: Tx, requests: Sequence[CollectionRequest], *, now: datetime, today: date
) -> list[RecordOutcome]:
    """Record what was collected; an outcome for each item, in order.

    Each is done whole or not at all, independently of the others. The same reference with the same content is the same
    collection; `replayed` says so. Call it late and once in a transaction: locks are held until the commit.
    """
    outcomes: list[RecordOutcome | None] = [None] * len(requests)
    drafts = await _check(tx, requests, outcomes, now=now)
    missing = await _missing_accounts(tx, drafts)
    if not missing:
        accepted = await _record(tx, drafts, outcomes, now=now, today=today)
    else:
        accepted = []
        with suppress(_Nothing):
            async with tx.savepoint():
                for currency, parties in sorted(missing.items()):
                    await partners.open_accounts(tx, parties, currency, now=now, meta=drafts[0].request.meta)
                accepted = await _record(tx, drafts, outcomes, now=now, today=today)
                if not accepted:
                    raise _Nothing
    for draft, levels in accepted:
        outcomes[draft.place] = Recorded(levels)
    return _copy_repeats(requests, outcomes)


async def _record(
    tx: Tx, drafts: list[_Draft], outcomes: list[RecordOutcome | None], *, now: datetime, today: date
) -> list[_Accepted]:
    """Spend, book, write and tell; what was recorded. Refusals go to `outcomes`."""
    accepted: list[_Accepted] = []
    waiting = drafts
    while waiting:
        chosen, waiting, refusals = await _spend_credits(tx, waiting, outcomes, now=now)
        lost = False
        for draft, booked in zip(chosen, await _book(tx, chosen, today=today), strict=True):
            if isinstance(booked, Refused):
                lost = await _give_back(tx, draft, now=now) or lost
                outcomes[draft.place] = await _refused_by_books(tx, draft, booked.refusal)
            else:
                levels = levels_of(
                    draft.request,
                    draft.chain,
                    draft.levels,
                    credit_id=draft.credit_id,
                    transaction_id=booked,
                    now=now,
                    today=today,
                )
                accepted.append((draft, levels))
        if not lost:
            for draft, refusal in zip(waiting, refusals, strict=True):
                outcomes[draft.place] = NotRecorded(refusal)
            break
    await _write(tx, accepted)
    return accepted


async def _check(
    tx: Tx, requests: Sequence[CollectionRequest], outcomes: list[RecordOutcome | None], *, now: datetime
) -> list[_Draft]:
    """What remains after form, duplicates, payers, grants and their largest amounts; refusals go to `outcomes`."""
    existing = await find_by_references(tx, [request.command.reference for request in requests])
    used = await find_by_keys(tx, [request.key for request in requests if request.key is not None])
    payers = await partners.look_up_partners(tx, [request.command.collected_from_id for request in requests])
    grantors = await _root_grantors(tx, requests)
    new: list[int] = []
    seen: set[str] = set()
    for place, request in enumerate(requests):
        command = request.command
        if request.key is not None and used.setdefault(request.key, command.reference) != command.reference:
            outcomes[place] = NotRecorded(KeyReused())
            continue
        if command.reference in seen:
            continue  # A repeat inside the batch: answered from the first at the end.
        seen.add(command.reference)
        try:
            check_collection(command)
            if command.reference in existing:
                outcomes[place] = _known(request, existing[command.reference])
                continue
            _check_payer(command, payers, grantors)
        except Refusal as refusal:
            outcomes[place] = NotRecorded(refusal)
            continue
        new.append(place)
    drafts: list[_Draft] = []
    chains = await find_chains(tx, [requests[place].command for place in new], now=now)
    for place, found in zip(new, chains, strict=True):
        try:
            drafts.append(_draft(place, requests[place], found))
        except Refusal as refusal:
            outcomes[place] = NotRecorded(refusal)
    return drafts


async def _root_grantors(tx: Tx, requests: Sequence[CollectionRequest]) -> set[UUID]:
    """Who of those whose purchases shall pay is paid what others collect."""
    buyers = {one.command.collected_from_id for one in requests if one.command.source is Source.PURCHASE}
    if not buyers:
        return set()
    rows = await tx.all(SQL.root_grantors, tenant=tx.tenant, partners=sorted(buyers))
    return {row.grantor_id for row in rows}


def _check_payer(command: RecordCollection, payers: dict[UUID, Partner], grantors: set[UUID]) -> None:
    payer = payers.get(command.collected_from_id)
    if payer is None:
        raise PartnerNotFound()
    if not payer.is_active:
        raise WrongPayer(f"{payer.code} is closed")
    if command.source is Source.PURCHASE and payer.partner_id in grantors:
        # Its payable tells no cash in a collector's hand from money that is with us, and only the latter can pay.
        raise WrongPayer(f"others collect for {payer.code}, and what it is owed may not be with us: settle it first")


def _draft(place: int, request: CollectionRequest, found: Chain | Refusal) -> _Draft:
    """Raises: the refusal that was found, AboveMaximum."""
    if isinstance(found, Refusal):
        raise found
    levels = cascade(request.command.amount_minor, [grant.commission for grant in found])
    for grant, level in zip(found, levels, strict=True):
        if grant.max_amount_minor is not None and level.gross_minor > grant.max_amount_minor:
            raise AboveMaximum(grant=grant.reference, max_minor=grant.max_amount_minor)
    return _Draft(place, request, found, levels)


async def _missing_accounts(tx: Tx, drafts: Sequence[_Draft]) -> dict[str, set[UUID]]:
    """Partners who do not have all their accounts in a currency yet, by currency."""
    wanted: set[tuple[UUID, str]] = set()
    for draft in drafts:
        parties = {grant.grantee_id for grant in draft.chain} | {draft.chain[-1].grantor_id}
        if draft.request.command.source is Source.PURCHASE:
            parties.add(draft.request.command.collected_from_id)
        wanted.update((party, draft.currency) for party in parties)
    accounts = {
        ledger.account_id(tx.tenant, account.code): (party, currency)
        for party, currency in wanted
        for account in partners.accounts(party, currency)
    }
    there = await ledger.find_accounts(tx, list(accounts)) if accounts else {}
    missing: dict[str, set[UUID]] = {}
    for party, currency in {accounts[one] for one in accounts.keys() - there.keys()}:
        missing.setdefault(currency, set()).add(party)
    return missing


async def _spend_credits(
    tx: Tx, drafts: Sequence[_Draft], outcomes: list[RecordOutcome | None], *, now: datetime
) -> tuple[list[_Draft], list[_Draft], list[Refusal]]:
    """Spend the credits that pay for collections, in order; those that can be booked, those that wait, and why."""
    chosen: list[_Draft] = []
    waiting: list[_Draft] = []
    refusals: list[Refusal] = []
    for draft in drafts:
        command = draft.request.command
        if command.source is not Source.CREDIT:
            draft.from_label = books.paying_account(command, draft.chain[0].grantee_id, draft.currency)
            draft.from_account_id = ledger.account_id(tx.tenant, draft.from_label)
            chosen.append(draft)
            continue
        try:
            await _spend_credit(tx, draft, now=now)
        except CreditSpent as refusal:  # Unless the books refuse who was before, and it is free again.
            waiting.append(draft)
            refusals.append(refusal)
        except Refusal as refusal:
            outcomes[draft.place] = NotRecorded(refusal)
        else:
            chosen.append(draft)
    return chosen, waiting, refusals


async def _spend_credit(tx: Tx, draft: _Draft, *, now: datetime) -> None:
    """Raises: CreditUnknown, CreditNotUsable, and what `use_credit` and `find_credit_by_reference` refuse."""
    command = draft.request.command
    assert command.payment_reference is not None
    try:
        credit = await collections.find_credit_by_reference(tx, command.payment_reference)
    except CreditNotFound as error:
        raise CreditUnknown() from error
    if credit.virtual_account_id is not None:
        account = await collections.find_account(tx, credit.virtual_account_id)
        parties = {party for grant in draft.chain for party in (grant.grantor_id, grant.grantee_id)}
        if account.owner_id not in parties | {command.collected_from_id}:
            raise CreditNotUsable()
    _, account = await collections.use_credit(tx, credit.credit_id, draft.amount, now=now)
    draft.credit_id = credit.credit_id
    draft.from_account_id = account.ledger_account_id
    draft.from_label = f"virtual account {account.account_number}"


async def _give_back(tx: Tx, draft: _Draft, *, now: datetime) -> bool:
    if draft.credit_id is None:
        return False
    await collections.release_credit(tx, draft.credit_id, draft.amount, now=now)
    return True


async def _book(tx: Tx, drafts: Sequence[_Draft], *, today: date) -> list[Booked]:
    if not drafts:
        return []
    return await ledger.book(tx, [_posting(tx.tenant, draft) for draft in drafts], today=today)


def _posting(tenant_id: UUID, draft: _Draft) -> Command:
    assert draft.from_account_id is not None
    return books.collect(
        tenant_id,
        draft.request.command,
        draft.chain,
        draft.levels,
        draft.from_account_id,
        draft.from_label,
        meta=draft.request.meta,
    )


async def _refused_by_books(tx: Tx, draft: _Draft, refusal: Refusal) -> RecordOutcome:
    """The ledger's word; or, when somebody else recorded this reference at the same time, what they did."""
    if refusal.code == "ledger.duplicate_reference":
        reference = draft.request.command.reference
        known = (await find_by_references(tx, [reference])).get(reference)
        return NotRecorded(refusal) if known is None else _known(draft.request, known)
    account = refusal.facts.get("account")
    if refusal.code == "ledger.ceiling_exceeded":
        for grant in draft.chain:
            if account == collected_code(grant.grant_id):
                limit = grant.cumulative_limit_minor
                return NotRecorded(CumulativeLimitReached(grant=grant.reference, limit_minor=limit))
    if refusal.code == "ledger.insufficient_funds" and account == draft.from_label:
        return NotRecorded(NotCovered(account=draft.from_label))
    return NotRecorded(refusal)


def _known(request: CollectionRequest, levels: tuple[Collection, ...]) -> RecordOutcome:
    if levels[0].body_hash == request.command.body_hash:
        return Recorded(levels, replayed=True)
    return NotRecorded(CollectionExists(reference=request.command.reference))


async def _write(tx: Tx, accepted: Sequence[_Accepted]) -> None:
    if not accepted:
        return
    await tx.many(
        SQL.insert_levels, [row_of(tx.tenant, one, draft.request.key) for draft, levels in accepted for one in levels]
    )
    told = [(tell(CollectionRecorded, one), draft.request.meta) for draft, levels in accepted for one in levels]
    await events.append_each(tx, told)


def _copy_repeats(
    requests: Sequence[CollectionRequest], outcomes: Sequence[RecordOutcome | None]
) -> list[RecordOutcome]:
    """Repeats inside the batch get the answer of the first: the same collection, or a conflict."""
    first: dict[str, int] = {}
    answers: list[RecordOutcome] = []
    for place, (request, outcome) in enumerate(zip(requests, outcomes, strict=True)):
        if isinstance(outcome, NotRecorded) and isinstance(outcome.refusal, KeyReused):
            answers.append(outcome)
            continue
        original = first.setdefault(request.command.reference, place)
        if outcome is None:
            same = request.command.body_hash == requests[original].command.body_hash
            earlier = answers[original]
            if not same:
                outcome = NotRecorded(CollectionExists(reference=request.command.reference))
            elif isinstance(earlier, Recorded):
                outcome = Recorded(earlier.levels, replayed=True)
            else:
                outcome = earlier
        answers.append(outcome)
    return answers
