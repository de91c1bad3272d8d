"""What collections do on the ledger.

    credit          Dr float of the connection (amount - fee)   Dr provider fees (fee)   Cr virtual account (amount)
    unplaced        the same, but                                                        Cr unplaced
    placed          Dr unplaced                                                          Cr virtual account
    returned        a payment from unplaced (see `money.payments`)

The posting of a credit has the reference `collection:CONNECTION:CREDIT`, and the ledger books a reference once for
ever: whoever tells us of a credit, and however often, it is booked once.
"""

from hashlib import sha256
from uuid import UUID

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.kit.money import Money
from omniroute.ledger import AccountType, Leg, Mode, OpenAccount, Side

PLAIN_LENGTH_MAX = 75
"""A reference has 128 characters; provider's names that are longer are hashed."""


def account_code(virtual_account_id: UUID, currency: str) -> str:
    """The ledger account of a virtual account."""
    return f"collections:va:{virtual_account_id}:{currency}"


def unplaced(currency: str) -> str:
    """The account of money that came in and that no virtual account takes."""
    return f"collections:unplaced:{currency}"


def provider_fees(currency: str) -> str:
    """The account of what providers keep of credits."""
    return f"collections:provider-fees:{currency}"


def other_float(connection_id: UUID, currency: str) -> str:
    """Where money stands that came in over a connection in another currency than its own."""
    return f"collections:float:{connection_id}:{currency}"


def own_account(virtual_account_id: UUID, currency: str, owner_ref: str, name: str) -> OpenAccount:
    """The ledger account of a virtual account, to be opened with it. It never goes below nothing."""
    return OpenAccount(
        account_code(virtual_account_id, currency),
        f"Virtual account {name}"[:200],
        AccountType.LIABILITY,
        currency,
        owner_ref=owner_ref,
        floor_minor=0,
    )


def shared_accounts(currency: str) -> list[OpenAccount]:
    """The accounts that collections in a currency have in common."""
    return [
        OpenAccount(
            unplaced(currency), f"Collections not placed {currency}", AccountType.LIABILITY, currency, floor_minor=0
        ),
        OpenAccount(
            provider_fees(currency),
            f"Fees of collection providers {currency}",
            AccountType.EXPENSE,
            currency,
            mode=Mode.DEFERRED,
        ),
    ]


def other_float_account(connection_id: UUID, currency: str) -> OpenAccount:
    """The account of money in a currency that is not the connection's."""
    code = other_float(connection_id, currency)
    return OpenAccount(code, f"Collections in {currency} at another currency's account", AccountType.ASSET, currency)


def reference_of(connection_id: UUID, provider_credit_id: str) -> str:
    """The reference under which a credit is booked, once for ever."""
    name = provider_credit_id
    if len(name) > PLAIN_LENGTH_MAX:
        name = "sha256:" + sha256(name.encode()).hexdigest()
    return f"collection:{connection_id}:{name}"


def credit(
    tenant_id: UUID,
    *,
    reference: str,
    to_account_id: UUID,
    float_account_id: UUID,
    amount: Money,
    fee_minor: int,
    metadata: dict[str, str],
    meta: Meta,
) -> ledger.Command:
    """Money that came in. A closed period does not stand against what has happened."""
    currency = amount.currency
    settled = amount.amount_minor - fee_minor
    legs = [Leg(to_account_id, Side.CREDIT, amount)]
    if settled:  # A provider may keep all of a small amount, or more than all of it.
        side = Side.DEBIT if settled > 0 else Side.CREDIT
        legs.append(Leg(float_account_id, side, Money(abs(settled), currency)))
    if fee_minor:
        fees = ledger.account_id(tenant_id, provider_fees(currency))
        legs.append(Leg(fees, Side.DEBIT, Money(fee_minor, currency)))
    return ledger.post_transaction(legs, reference=reference, metadata=metadata, late=True, may_soft=True, meta=meta)


def place(tenant_id: UUID, credit_id: UUID, to_account_id: UUID, amount: Money, *, meta: Meta) -> ledger.Command:
    """Money that waited goes to a virtual account."""
    waiting = ledger.account_id(tenant_id, unplaced(amount.currency))
    return ledger.post_transaction(
        [Leg(waiting, Side.DEBIT, amount), Leg(to_account_id, Side.CREDIT, amount)],
        reference=f"collection:{credit_id}:placed",
        meta=meta,
    )
