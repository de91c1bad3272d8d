"""The form of a Hasura engine's actions: its payload, who asks by it, and its form of errors."""

import hmac
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from omniroute.api import bodies
from omniroute.api.call import Call
from omniroute.api.errors import MalformedJson, Unavailable
from omniroute.api.operations import Access, Operation, Raw, Reply, operation
from omniroute.api.problems import STATUS, problem_body
from omniroute.api.shapes import Out
from omniroute.infra.postgres import DatabaseUnavailable, StatementTimeout, Tx, WriteConflict
from omniroute.kit import ids
from omniroute.kit.refusal import Kind, Refusal
from omniroute.parties import access, tenants
from omniroute.parties.access import Caller, CredentialsUnknown, Permission

SECRET = "x-omniroute-actions-secret"  # noqa: S105 - the name of a header.
VARIABLES = "session variables"
T = TypeVar("T")


class Camel(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """Input of an action: unknown members are refused."""


class ActionIn(msgspec.Struct, kw_only=True):
    """What the engine sends."""

    input: dict[str, Any]
    session_variables: dict[str, Any] = {}


class ActionOut(Out):
    """The members of the action's output; or, when it was refused, `message` and `extensions` with the `code`."""

    message: str | None = None
    extensions: dict[str, Any] | None = None


class MalformedAction(Refusal):
    """The payload is not that of an action, or its input is not as the action wants it."""

    code = "actions.malformed"
    kind = Kind.INVALID


def _no_constant(text: str) -> Any:
    raise MalformedJson(f"{text} is not JSON")


_decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)
Handler = Callable[[Call, dict[str, Any]], Awaitable[Any]]


def action(name: str, *, reply: Any = ActionOut) -> Callable[[Callable[[Call, Raw], Awaitable[Reply]]], Operation]:
    """Declare the handler of an action, at `/actions/NAME`. `reply`: the form of its answer."""
    return operation(
        "POST",
        f"/actions/{name}",
        tag="Actions",
        access=Access.OPEN,
        transaction=False,
        raw=True,
        reply=reply,
        statuses=(400, 401, 403, 404, 409, 422, 429),
    )


async def answer(call: Call, raw: Raw, permission: Permission, handler: Handler, *, whole: bool = False) -> Reply:
    """Work an action; what is refused comes back in the engine's form, with a status it passes on.

    `whole`: the permission must be held in the whole organisation, not just in some branches.
    """
    try:
        payload = _read(raw.body)
        caller = (await _caller(call, raw, payload)).require(permission, whole=whole)
        asked = msgspec.structs.replace(call, gate=caller, whole=caller, permission=str(permission))
        return Reply(await handler(asked, _unwrapped(payload.input)))
    except Refusal as refusal:
        return _error(refusal)
    except (DatabaseUnavailable, StatementTimeout, WriteConflict):
        return _error(Unavailable())


def _error(refusal: Refusal) -> Reply:
    # The engine passes on errors of 4xx only; others it hides.
    status = STATUS[refusal.kind] if STATUS[refusal.kind] < 500 else STATUS[Kind.THROTTLED]
    told = {name: value for name, value in problem_body(refusal).items() if name not in ("detail", "type", "title")}
    return Reply({"message": refusal.detail, "extensions": told}, status=status)


def _read(body: bytes) -> ActionIn:
    try:
        value = _decoder.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedAction("the body is not JSON") from error
    return shape(value, ActionIn)


def shape(value: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise MalformedAction(bodies.shown(str(error))) from error


def row_id(prefix: str, text: str, field: str = "id") -> UUID:
    """An id as rows have it (a UUID), or as the REST door shows it. Raises: MalformedAction, naming the `field`."""
    try:
        return ids.parse(prefix, text) if text.startswith(f"{prefix}_") else UUID(text)
    except ValueError:
        raise MalformedAction(f"{field}: expected a UUID or {prefix}_...") from None


async def written(call: Call, work: Callable[[Tx], Awaitable[T]]) -> T:
    """The work in a transaction of its own. It is not begun again after a commit that may have happened."""
    return await call.services.db.run(work, tenant_id=call.tenant_id, branches=call.caller.branches, idempotent=False)


def _unwrapped(given: dict[str, Any]) -> dict[str, Any]:
    """Mutations of one argument called `input` wrap it once more."""
    inner = given.get("input")
    return inner if len(given) == 1 and isinstance(inner, dict) else given


async def _caller(call: Call, raw: Raw, payload: ActionIn) -> Caller:
    """Raises: CredentialsMissing and its kin, CredentialsUnknown, OrganisationNotFound, RoleNotFound."""
    shown, secret = raw.headers.get(SECRET), call.services.payments.actions_secret
    if shown is None:
        return await call.services.authenticator.authenticate(call.authorization, now=call.now)
    if not secret or not hmac.compare_digest(shown.encode(), secret.encode()):
        raise CredentialsUnknown()
    variables = {name.lower(): str(value) for name, value in payload.session_variables.items()}
    tenant_id = row_id("org", variables.get("x-hasura-tenant-id", ""), VARIABLES)
    user = variables.get("x-hasura-user-id", "")
    user_id = row_id("usr", user, VARIABLES)
    async with call.services.db.tx(tenant_id, readonly=True) as tx:
        organisation = await tenants.get_organisation(tx)
        if organisation.status != "active":
            raise access.OrganisationInactive()
        role = await access.find_role(tx, variables.get("x-hasura-role", ""))
    return Caller(
        tenant_id,
        ids.show("usr", user_id),
        user_id,
        "user",
        role.permissions if role.status == "active" else frozenset(),
        _branches(variables.get("x-hasura-branch-ids")),
        organisation_slug=organisation.slug,
    )


def _branches(text: str | None) -> tuple[UUID, ...] | None:
    """The branches the requester is bound to; None: none. Raises: MalformedAction."""
    if text is None:
        return None
    if not text.startswith("{") or not text.endswith("}"):
        raise MalformedAction("session variables: branches are written as {UUID,UUID}")
    return tuple(row_id("brn", one.strip(), VARIABLES) for one in text[1:-1].split(",") if one.strip())
