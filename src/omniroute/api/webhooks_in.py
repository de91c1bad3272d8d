"""Where rails call us: stored and acknowledged at once, believed or not later. Nobody logs in here.

The address of a call carries a code that only we can make; without it a call is a hint at most, and comes under a
limit. Some rails take one address for everything in their portal: it says whose and which connection it is about.
"""

from collections.abc import Mapping
from uuid import UUID

from omniroute.api.call import Call, Services
from omniroute.api.errors import RouteNotFound, Unavailable
from omniroute.api.operations import Access, Raw, Reply, operation
from omniroute.kit import ids
from omniroute.kit.refusal import Kind, Refusal
from omniroute.kit.xml import SIZE_MAX as FILE_BYTES_MAX
from omniroute.money import payments
from omniroute.money.payments import LinkDown, LinkUnknown
from omniroute.ports.rails import Callback

_RAILS = "/webhooks/rails/{org}/{con}/{purpose}/{ref}/{code}"
PURPOSE_MAX, REF_MAX = 64, 128
UNKNOWN = "unknown"


class TooManyCalls(Refusal):
    """Too many calls that we cannot tell from a stranger's; wait `retry_after_s` seconds and repeat."""

    code = "api.too_many_calls"
    kind = Kind.THROTTLED


async def _take(
    call: Call, raw: Raw, tenant_id: UUID, connection_id: UUID, purpose: str, ref: str, code: str | None
) -> Reply:
    """Store a call and say what its rail wants to hear.

    Raises: RouteNotFound, TooManyCalls, Unavailable.
    """
    money = call.services.payments
    if len(purpose) > PURPOSE_MAX or len(ref) > REF_MAX:
        raise RouteNotFound()
    try:
        authentic = code is not None and await money.links.is_authentic(tenant_id, connection_id, purpose, ref, code)
        link = await money.links.get(tenant_id, connection_id)
    except LinkUnknown as unknown:
        if not money.strangers.take(UNKNOWN, call.now):
            raise TooManyCalls(retry_after_s=1) from unknown
        raise RouteNotFound() from unknown
    except LinkDown as down:
        raise Unavailable() from down  # The rail calls again.
    if not authentic and not money.strangers.take(connection_id, call.now):
        raise TooManyCalls(retry_after_s=1)
    callback = Callback(raw.body, raw.headers, purpose, ref, authentic, call.now)
    async with call.services.db.tx(tenant_id) as tx:
        await payments.receive_callback(
            tx,
            connection_id,
            purpose=purpose,
            ref=ref,
            authentic=authentic,
            headers=raw.headers,
            body=raw.body,
            now=call.now,
        )
    said = link.connector.acknowledge(callback)
    return Reply(said.body, status=said.status, content_type=said.content_type)


async def _take_addressed(call: Call, raw: Raw) -> Reply:
    path = call.path
    try:
        tenant_id, connection_id = UUID(hex=path["org"]), UUID(hex=path["con"])
    except ValueError:
        raise RouteNotFound() from None
    return await _take(call, raw, tenant_id, connection_id, path["purpose"], path["ref"], path["code"])


async def _take_fixed(call: Call, raw: Raw, purpose: str) -> Reply:
    tenant_id, connection_id = _named(raw.query)
    return await _take(call, raw, tenant_id, connection_id, purpose, raw.query.get("ref", ""), None)


def _named(query: Mapping[str, str]) -> tuple[UUID, UUID]:
    try:
        return ids.parse("org", query.get("organisation", "")), ids.parse("con", query.get("connection", ""))
    except ids.MalformedId:
        raise RouteNotFound() from None


async def _bytes_max(services: Services, path: Mapping[str, str]) -> int:
    """Files of banks may be large, from who knows our address for them; everything else is small."""
    usual = services.limits.body_bytes_max
    if path["purpose"] != payments.FILE_ANSWER:
        return usual
    try:
        tenant_id, connection_id = UUID(hex=path["org"]), UUID(hex=path["con"])
        links = services.payments.links
        link = await links.get(tenant_id, connection_id)
        known = await links.is_authentic(tenant_id, connection_id, path["purpose"], path["ref"], path["code"])
    except (ValueError, LinkDown):
        return usual  # It will be said to them what is wrong.
    return max(usual, FILE_BYTES_MAX) if known and link.files is not None else usual


_REFUSALS = ("api.not_found", "api.too_many_calls", "api.unavailable")


@operation(
    "POST",
    _RAILS,
    tag="Rails",
    access=Access.OPEN,
    transaction=False,
    raw=True,
    raw_bytes_max=_bytes_max,
    refusals=_REFUSALS,
    statuses=(202, 204),
)
async def take_rail_call(call: Call, raw: Raw) -> Reply:
    """Take what a rail calls us with, under an address that we gave it.

    Stored byte for byte, acknowledged as the rail wants it, looked at afterwards. A repeat is known and does nothing.
    """
    return await _take_addressed(call, raw)


@operation(
    "PUT", _RAILS, tag="Rails", access=Access.OPEN, transaction=False, raw=True, raw_bytes_max=_bytes_max,
    refusals=_REFUSALS, statuses=(202, 204),
)  # fmt: skip
async def take_rail_put(call: Call, raw: Raw) -> Reply:
    """Take what a rail calls us with by PUT."""
    return await _take_addressed(call, raw)


@operation(
    "POST", "/webhooks/nibss/payment-notification", tag="Rails", access=Access.OPEN, transaction=False, raw=True,
    refusals=_REFUSALS, statuses=(202, 204),
)  # fmt: skip
async def take_nibss_notification(call: Call, raw: Raw) -> Reply:
    """Take a payment notification of NIBSS at one address for everything.

    `?organisation=org_...&connection=con_...` says whose it is. It proves nothing by itself: it makes us ask.
    """
    return await _take_fixed(call, raw, "payment-notification")


@operation(
    "POST", "/webhooks/mobile-money/callback", tag="Rails", access=Access.OPEN, transaction=False, raw=True,
    refusals=_REFUSALS, statuses=(202, 204),
)  # fmt: skip
async def take_mobile_money_callback(call: Call, raw: Raw) -> Reply:
    """Take a call of a mobile money operator at one address for everything.

    `?organisation=org_...&connection=con_...` says whose it is. It proves nothing by itself: it makes us ask.
    """
    return await _take_fixed(call, raw, "callback")
