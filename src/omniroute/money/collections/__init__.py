"""Collections: account numbers that providers lend us, and the money that comes in on them.

    virtual account   requested -> active <-> suspended -> closed | expired;  requested -> failed | closed
    credit            booked | unplaced -> placed | returning -> returned

A number is wanted under a name of ours, stored before the provider is asked; silence leaves it requested, and it is
asked for again under the same name. What tells us of money is a hint: booked is what the provider answers when it is
asked about that credit, once for ever. What no account takes waits for a person.
"""

from omniroute.money.collections.collector import Collector
from omniroute.money.collections.crediting import hear_credit
from omniroute.money.collections.deciding import assign_credit, place_credit, return_credit
from omniroute.money.collections.model import (
    AccountCredit,
    AccountStatus,
    CollectionRules,
    CreditState,
    OwnerType,
    RequestAccount,
    VirtualAccount,
)
from omniroute.money.collections.opening import open_now
from omniroute.money.collections.reading import (
    find_account,
    find_accounts,
    find_balances,
    find_credit,
    find_credit_by_reference,
    list_accounts,
    list_credits,
    release_credit,
    use_credit,
)
from omniroute.money.collections.requesting import close_account, request_account, resume_account, suspend_account
from omniroute.money.collections.store import CREDITS, VIRTUAL_ACCOUNTS

__all__ = [
    "CREDITS",
    "VIRTUAL_ACCOUNTS",
    "AccountCredit",
    "AccountStatus",
    "CollectionRules",
    "Collector",
    "CreditState",
    "OwnerType",
    "RequestAccount",
    "VirtualAccount",
    "assign_credit",
    "close_account",
    "find_account",
    "find_accounts",
    "find_balances",
    "find_credit",
    "find_credit_by_reference",
    "hear_credit",
    "list_accounts",
    "list_credits",
    "open_now",
    "place_credit",
    "release_credit",
    "request_account",
    "resume_account",
    "return_credit",
    "suspend_account",
    "use_credit",
]
