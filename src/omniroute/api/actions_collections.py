"""Opening a virtual account as an action of a Hasura engine: by the rules of the REST door, the provider asked at once.

When the provider is silent the account is REQUESTED and has no number yet; asked again under the same reference, the
action tells how it stands.
"""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from omniroute.api.actions_form import Camel, action, answer, row_id, shape
from omniroute.api.actions_payments import amount_of
from omniroute.api.call import Call
from omniroute.api.operations import Raw, Reply
from omniroute.infra.postgres import Tx
from omniroute.infra.telemetry import logger
from omniroute.kit import ids
from omniroute.kit.refusal import Fault
from omniroute.money import collections
from omniroute.money.collections import CollectionRules, OwnerType, RequestAccount, VirtualAccount
from omniroute.parties.access import Permission

log = logger("omniroute.collections")


class RulesInput(Camel, kw_only=True):
    """What the account takes, in major units."""

    min_amount: Any = None
    max_amount: Any = None
    exact_amount: Any = None
    single_use: bool = False


class VirtualAccountInput(Camel, kw_only=True):
    """An account that is wanted. `reference`: the same one is the same account for ever."""

    owner_id: str
    owner_type: OwnerType
    currency: str
    account_name: str | None = None
    bank_code: str | None = None
    connection: str | None = None
    expiry_date: Annotated[datetime, Meta(tz=True)] | None = None
    collection_rules: RulesInput | None = None
    metadata: dict[str, Any] | None = None
    reference: str | None = None
    customer_email: str | None = None


def _command(asked: VirtualAccountInput) -> RequestAccount:
    """Raises: MalformedAction, MalformedAmount, UnknownCurrency."""
    given = asked.collection_rules or RulesInput()

    def minor(amount: object) -> int | None:
        return None if amount is None else amount_of(amount, None, asked.currency)

    rules = CollectionRules(
        minor(given.min_amount), minor(given.max_amount), minor(given.exact_amount), given.single_use
    )
    return RequestAccount(
        owner_id=row_id("ptn", asked.owner_id, "ownerId"),
        owner_type=asked.owner_type,
        currency=asked.currency,
        reference=asked.reference,
        account_name=asked.account_name,
        bank_code=asked.bank_code,
        connection=asked.connection,
        expires_at=asked.expiry_date,
        rules=rules,
        metadata=asked.metadata or {},
        customer_email=asked.customer_email,
    )


def _shown(account: VirtualAccount) -> dict[str, Any]:
    return {
        "id": str(account.virtual_account_id),
        "virtualAccountId": ids.show("vac", account.virtual_account_id),
        "reference": account.reference,
        "status": account.status.value.upper(),
        "reason": account.reason,
        "accountNumber": account.account_number,
        "bankCode": account.bank_code,
        "bankName": account.bank_name,
        "accountName": account.account_name,
        "ownerId": str(account.owner_id),
        "ownerType": account.owner_type.value,
        "currency": account.currency,
        "expiryDate": account.expires_at,
        "createdAt": account.created_at,
    }


async def _create(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    command = _command(shape(given, VirtualAccountInput))
    db, links = call.services.db, call.services.payments.links

    async def work(tx: Tx) -> VirtualAccount:
        account, _ = await collections.request_account(
            tx, command, actor=call.caller.subject, now=call.now, meta=call.meta
        )
        return account

    # With a reference a repeat finds the account; without one it would want another.
    account = await db.run(work, tenant_id=call.tenant_id, idempotent=command.reference is not None)
    try:
        account = await collections.open_now(
            db, links, call.tenant_id, account.virtual_account_id, clock=call.services.clock
        )
    except Fault as fault:
        log.warning("an account is opened later", account=account.our_ref, fault=str(fault))
    return _shown(account)


@action("create-virtual-account")
async def action_create_virtual_account(call: Call, raw: Raw) -> Reply:
    """Open a virtual account for a Hasura engine.

    Input: `ownerId`, `ownerType`, `currency`; `accountName`, `bankCode`, `connection`, `expiryDate`,
    `collectionRules`, `metadata`, `reference`, `customerEmail`. Output: the account; `accountNumber` is null while its
    `status` is REQUESTED.
    """
    return await answer(call, raw, Permission.COLLECTIONS_WRITE, _create, whole=True)
