"""Authority to collect as actions of a Hasura engine: by the rules of the REST door, in the form customers know."""

from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from omniroute.api.actions_atc_shapes import CreateGrantInput, grant_asked, grant_told
from omniroute.api.actions_form import Camel, MalformedAction, action, answer, row_id, shape, written
from omniroute.api.call import Call
from omniroute.api.operations import Raw, Reply
from omniroute.infra.postgres import Tx
from omniroute.kit.refusal import Kind, Refusal
from omniroute.money import atc
from omniroute.money.atc import Grant, GrantStatus
from omniroute.money.atc.errors import GrantNotFound
from omniroute.parties import partners
from omniroute.parties.access import Permission

T = TypeVar("T")
Text = Annotated[str, Meta(min_length=1, max_length=500)]


class ColumnNotSettable(Refusal):
    """Of a grant only its status is set here, and only in these ways; the detail says what to do instead."""

    code = "atc.not_settable"
    kind = Kind.REFUSED


class RevokeGrantInput(Camel, kw_only=True):
    """Which grant, and why it is taken back."""

    grant_id: str
    reason: Text


class GrantKeyInput(Camel, kw_only=True):
    """Which grant."""

    id: str


class GrantSetInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How a grant shall stand. Who approves is who asks, and when is now."""

    status: Literal["DRAFT", "PENDING_APPROVAL", "ACTIVE", "SUSPENDED", "EXPIRED", "REVOKED"] | None = None
    status_reason: Text | None = None
    approved_by: str | None = None
    approved_at: str | None = None


class UpdateGrantInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A grant, and how it shall stand."""

    pk_columns: GrantKeyInput
    set: GrantSetInput = msgspec.field(name="_set")


async def _told(tx: Tx, grant: Grant) -> dict[str, Any]:
    named = await partners.find_partners(tx, [grant.grantor_id, grant.grantee_id])
    collected = await atc.find_collected(tx, [grant])
    return grant_told(grant, named[grant.grantor_id], named[grant.grantee_id], collected[grant.grant_id])


async def _create(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    asked = shape(given, CreateGrantInput)
    command = grant_asked(asked)

    async def work(tx: Tx) -> dict[str, Any]:
        kinds = ((command.grantor_id, asked.grantor_type), (command.grantee_id, asked.grantee_type))
        for partner_id, kind in kinds:
            if kind is not None and (await partners.find_partner(tx, partner_id)).kind != kind:
                raise MalformedAction("grantorType, granteeType: not what the partner is")
        grant = await atc.create_grant(tx, command, actor=call.caller.subject, now=call.now, meta=call.meta)
        return await _told(tx, grant)

    return await written(call, work)


async def _revoke(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    asked = shape(given, RevokeGrantInput)
    grant_id = row_id("atc", asked.grant_id)

    async def work(tx: Tx) -> dict[str, Any]:
        revoked = await atc.revoke_grant(tx, grant_id, reason=asked.reason, now=call.now, meta=call.meta)
        return {"id": str(grant_id), "success": True, "effectiveDate": call.now, "revokedCount": len(revoked)}

    return await written(call, work)


async def _update(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    asked = shape(given, UpdateGrantInput)
    grant_id = row_id("atc", asked.pk_columns.id)
    _check_set(call, asked.set)

    async def work(tx: Tx) -> dict[str, Any]:
        stands = (await atc.find_grant(tx, grant_id)).status
        return await _told(tx, await _turn(call, tx, grant_id, stands, asked.set))

    return await written(call, work)


async def _turn(call: Call, tx: Tx, grant_id: UUID, stands: GrantStatus, wanted: GrantSetInput) -> Grant:
    if wanted.status == "SUSPENDED":
        return await atc.suspend_grant(tx, grant_id, reason=wanted.status_reason, now=call.now, meta=call.meta)
    if wanted.status == "REVOKED":
        if stands not in (GrantStatus.PENDING_APPROVAL, *atc.ENDED):
            raise ColumnNotSettable("status: revokeATCGrant revokes a grant that was approved", column="status")
        return await atc.reject_grant(
            tx,
            grant_id,
            actor=call.caller.subject,
            reason=wanted.status_reason or "",
            now=call.now,
            meta=call.meta,
        )
    if stands is GrantStatus.SUSPENDED:
        if wanted.approved_by is not None or wanted.approved_at is not None:
            raise ColumnNotSettable("this grant was approved already; set nothing but its status to resume it")
        return await atc.resume_grant(tx, grant_id, now=call.now, meta=call.meta)
    return await atc.approve_grant(tx, grant_id, actor=call.caller.subject, now=call.now, meta=call.meta)


def _check_set(call: Call, wanted: GrantSetInput) -> None:
    """Raises: ColumnNotSettable."""
    if wanted.status not in ("ACTIVE", "SUSPENDED", "REVOKED"):
        ways = "status: ACTIVE approves or resumes, SUSPENDED suspends, REVOKED rejects; revokeATCGrant revokes"
        raise ColumnNotSettable(ways, column="status")
    is_approving = wanted.status == "ACTIVE"
    if wanted.status_reason is not None and is_approving:
        raise ColumnNotSettable("status_reason: of SUSPENDED and REVOKED only", column="status_reason")
    own = {str(call.caller.subject_id), call.caller.subject}
    if wanted.approved_by is not None and (not is_approving or wanted.approved_by not in own):
        raise ColumnNotSettable("approved_by: whoever asks, or nothing", column="approved_by")
    if wanted.approved_at is not None and (not is_approving or wanted.approved_at not in ("now()", "now")):
        raise ColumnNotSettable('approved_at: "now()", or nothing', column="approved_at")


async def _find(call: Call, given: dict[str, Any]) -> dict[str, Any] | msgspec.Raw:
    grant_id = row_id("atc", shape(given, GrantKeyInput).id)
    async with call.services.db.tx(call.tenant_id, branches=call.caller.branches, readonly=True) as tx:
        try:
            return await _told(tx, await atc.find_grant(tx, grant_id))
        except GrantNotFound:
            return msgspec.Raw(b"null")  # As a table by its primary key answers.


@action("create-atc-grant")
async def action_create_atc_grant(call: Call, raw: Raw) -> Reply:
    """Write authority to collect for a Hasura engine.

    Input: the grant's fields in camelCase, amounts in major units, rates as percentages. Output: the grant.
    """
    return await answer(call, raw, Permission.ATC_WRITE, _create, whole=True)


@action("revoke-atc-grant")
async def action_revoke_atc_grant(call: Call, raw: Raw) -> Reply:
    """Take authority to collect back for a Hasura engine, and all that hangs below it.

    Input: `grantId`, `reason`. Output: `success`, `effectiveDate`, `revokedCount`.
    """
    return await answer(call, raw, Permission.ATC_WRITE, _revoke, whole=True)


@action("update-atc-grant")
async def action_update_atc_grant(call: Call, raw: Raw) -> Reply:
    """Approve, reject, suspend or resume authority to collect for a Hasura engine.

    Input: `pk_columns` with the `id`, `_set` with the `status`. Output: the grant.
    """
    return await answer(call, raw, Permission.ATC_APPROVE, _update, whole=True)


@action("find-atc-grant")
async def action_find_atc_grant(call: Call, raw: Raw) -> Reply:
    """Show authority to collect for a Hasura engine. Input: `id`. Output: the grant, or null."""
    return await answer(call, raw, Permission.ATC_READ, _find)
