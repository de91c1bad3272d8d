"""The accounts of a partner on the ledger, opened when first needed.

    partner:<uuid>:payable:<CUR>      liability   what we owe the partner: money collected for it, sales
    partner:<uuid>:commission:<CUR>   liability   commission it has earned
    partner:<uuid>:in-hand:<CUR>      asset       money it has collected and not remitted

None of them goes below zero: the ledger refuses what would.
"""

from uuid import UUID

from omniroute.kit import ids
from omniroute.ledger import AccountType, OpenAccount


def payable(partner_id: UUID, currency: str) -> str:
    """The account of what we owe the partner."""
    return f"partner:{partner_id}:payable:{currency}"


def commission(partner_id: UUID, currency: str) -> str:
    """The account of commission the partner has earned."""
    return f"partner:{partner_id}:commission:{currency}"


def in_hand(partner_id: UUID, currency: str) -> str:
    """The account of money the partner has collected and not remitted."""
    return f"partner:{partner_id}:in-hand:{currency}"


def accounts(partner_id: UUID, currency: str) -> list[OpenAccount]:
    """The accounts of a partner in a currency."""
    owner = ids.show("ptn", partner_id)

    def account(code: str, what: str, type_: AccountType) -> OpenAccount:
        return OpenAccount(code, f"{what} {owner} {currency}", type_, currency, owner_ref=owner, floor_minor=0)

    return [
        account(payable(partner_id, currency), "Payable to partner", AccountType.LIABILITY),
        account(commission(partner_id, currency), "Commission of partner", AccountType.LIABILITY),
        account(in_hand(partner_id, currency), "In hand of partner", AccountType.ASSET),
    ]
