"""The ledger: money moves here, as transactions that balance, or nowhere.

    posting    legs are booked at once
    hold       legs are set aside and counted by every limit; then captures and one release resolve it
    capture    a hold, or a part of it, becomes a posting
    void       what is left of a hold is released (expiry: because its deadline passed)
    reversal   the opposite of a posting or capture, or of a part of it, is booked

    hold: open -> resolved (nothing left);  account: open <-> frozen, open -> closed (when empty)

Knows nothing of payments or orders. `post` books any batch in one round trip; `Poster` collects the single
requests of a process into such batches.
"""

from omniroute.ledger import charts, checking, folding, fx, keys, periods, reads
from omniroute.ledger.accounts import (
    OpenAccount,
    describe_account,
    find_account,
    find_accounts,
    find_balances,
    list_accounts,
    open_account,
    open_missing,
    set_limits,
    set_status,
)
from omniroute.ledger.commands import (
    Command,
    capture_hold,
    place_hold,
    post_transaction,
    reverse_transaction,
    void_hold,
)
from omniroute.ledger.errors import AccountNotFound, UnknownTransaction
from omniroute.ledger.model import (
    Account,
    AccountStatus,
    AccountType,
    Balance,
    Booked,
    Condition,
    Entry,
    Hold,
    HoldLeg,
    Leg,
    Mode,
    Outcome,
    Posted,
    Refused,
    Side,
    Transaction,
    TxnKind,
    account_id,
)
from omniroute.ledger.poster import Poster
from omniroute.ledger.service import (
    book,
    dry_run,
    expire_holds,
    find_by_reference,
    find_hold,
    find_transaction,
    list_holds,
    list_transactions,
    post,
    post_alone,
    post_one,
    resolve_group,
)
from omniroute.ledger.store import ACCOUNTS, HOLDS, TRANSACTIONS

__all__ = [
    "ACCOUNTS",
    "HOLDS",
    "TRANSACTIONS",
    "Account",
    "AccountNotFound",
    "AccountStatus",
    "AccountType",
    "Balance",
    "Booked",
    "Command",
    "Condition",
    "Entry",
    "Hold",
    "HoldLeg",
    "Leg",
    "Mode",
    "OpenAccount",
    "Outcome",
    "Posted",
    "Poster",
    "Refused",
    "Side",
    "Transaction",
    "TxnKind",
    "UnknownTransaction",
    "account_id",
    "book",
    "capture_hold",
    "charts",
    "checking",
    "describe_account",
    "dry_run",
    "expire_holds",
    "find_account",
    "find_accounts",
    "find_balances",
    "find_by_reference",
    "find_hold",
    "find_transaction",
    "folding",
    "fx",
    "keys",
    "list_accounts",
    "list_holds",
    "list_transactions",
    "open_account",
    "open_missing",
    "periods",
    "place_hold",
    "post",
    "post_alone",
    "post_one",
    "post_transaction",
    "reads",
    "resolve_group",
    "reverse_transaction",
    "set_limits",
    "set_status",
    "void_hold",
]
