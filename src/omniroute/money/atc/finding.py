"""Under which grant something is collected: the one that is named, or the only one that fits."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from omniroute.infra.postgres import Tx
from omniroute.kit.refusal import Refusal
from omniroute.money.atc.collections_errors import (
    AuthorityUnclear,
    NoAuthority,
    NotInForce,
    OutsideScope,
    WrongPayer,
)
from omniroute.money.atc.collections_model import RecordCollection
from omniroute.money.atc.collections_store import SQL, candidates_of
from omniroute.money.atc.errors import GrantNotFound
from omniroute.money.atc.model import Grant, GrantStatus, ScopeType
from omniroute.money.atc.scopes import covers_method, fits
from omniroute.money.atc.store import read_grants

Chain = tuple[Grant, ...]
"""A grant and all it comes from, the collector's first and the root last."""
Facts = Mapping[ScopeType, Sequence[str]]


def facts_of(command: RecordCollection) -> dict[ScopeType, Sequence[str]]:
    """What a scope is compared with: who pays, and what the caller says of it."""
    return {**dict(command.facts), ScopeType.CUSTOMER_ID: (str(command.collected_from_id),)}


def check_chain(chain: Chain, command: RecordCollection, *, now: datetime) -> None:
    """Refuse what the grant, or one that it comes from, does not cover; amounts apart.

    Raises: NotInForce, OutsideScope, WrongPayer.
    """
    own = chain[0]
    for grant in chain:
        if not grant.is_in_force(now):
            raise NotInForce(grant=grant.reference, status=_standing(grant, now))
    if command.currency not in (None, own.currency):
        raise OutsideScope(f"{own.reference} is in {own.currency}", grant=own.reference, reason="currency")
    facts = facts_of(command)
    for grant in chain:
        if not covers_method(grant.collection_type, command.method):
            detail = f"{grant.reference} is for {grant.collection_type.value}"
            raise OutsideScope(detail, grant=grant.reference, reason="method")
        for scope in grant.scopes:
            if not fits((scope,), facts):
                detail = f"{grant.reference} is narrowed by {scope.scope_type.value}, which does not fit"
                raise OutsideScope(detail, grant=grant.reference, reason=scope.scope_type.value)
    if command.collected_from_id in {own.grantee_id, chain[-1].grantor_id}:
        raise WrongPayer("who collects and who is paid do not pay", grant=own.reference)


def _standing(grant: Grant, now: datetime) -> str:
    if grant.status is not GrantStatus.ACTIVE:
        return grant.status.value
    return "not_yet_effective" if now < grant.effective_from else "over"


async def find_chains(tx: Tx, commands: Sequence[RecordCollection], *, now: datetime) -> list[Chain | Refusal]:
    """For each, the grant it is collected under and all it comes from, or why there is none.

    The grants stand as they are until the transaction ends: whoever takes one back waits.
    """
    unnamed = [command for command in commands if command.grant_id is None]
    asked = [
        (SQL.find_candidates, {"tenant": tx.tenant, "now": now, **candidates_of(command, facts_of(command))})
        for command in unnamed
    ]
    found = iter(await tx.all_of(*asked) if asked else [])
    wanted: list[list[UUID]] = []
    for command in commands:
        if command.grant_id is not None:
            wanted.append([command.grant_id])
            continue
        rows = next(found)
        own = [row for row in rows if row.grantee_id == command.collected_by]
        wanted.append([row.grant_id for row in own or rows])
    locked = await tx.all(SQL.lock_chains, tenant=tx.tenant, grants=sorted({one for some in wanted for one in some}))
    grants = await read_grants(tx, [row.grant_id for row in locked])
    return [_chosen(command, ids, grants, now) for command, ids in zip(commands, wanted, strict=True)]


def _chosen(
    command: RecordCollection, ids: Sequence[UUID], grants: Mapping[UUID, Grant], now: datetime
) -> Chain | Refusal:
    chains = [_chain(one, grants) for one in ids if one in grants]
    if command.grant_id is not None:
        if not chains:
            return GrantNotFound()
        try:
            check_chain(chains[0], command, now=now)
        except Refusal as refusal:
            return refusal
        return chains[0]
    fitting = [chain for chain in chains if _fits(chain, command, now)]
    if not fitting:
        return NoAuthority()
    if len(fitting) > 1:
        return AuthorityUnclear(candidates=[chain[0].reference for chain in fitting[:10]])
    return fitting[0]


def _fits(chain: Chain, command: RecordCollection, now: datetime) -> bool:
    try:
        check_chain(chain, command, now=now)
    except Refusal:
        return False
    return True


def _chain(grant_id: UUID, grants: Mapping[UUID, Grant]) -> Chain:
    chain = [grants[grant_id]]
    while chain[-1].parent_id is not None:
        chain.append(grants[chain[-1].parent_id])
    return tuple(chain)
