"""What we ask of a provider that takes money in on account numbers it lends us.

A number is wanted under a name of ours (`our_ref`), stored before the provider is asked; asked again under the same
name it answers with the same account, so silence is cured by asking. What a notification says is a hint: money is
booked on what the provider answers when it is asked about that one credit.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from omniroute.ports.rails.connector import Context
from omniroute.ports.rails.model import Credit


@dataclass(frozen=True, slots=True)
class AccountWanted:
    """An account number to be opened. `customer_email`: providers of cards insist on one."""

    our_ref: str
    account_name: str
    currency: str
    customer_name: str
    customer_email: str
    bank_code: str | None = None  # The bank it shall be at; None: whichever the provider takes.


@dataclass(frozen=True, slots=True)
class IssuedAccount:
    """An account number as the provider has it. `active`: money sent to it arrives."""

    our_ref: str
    provider_ref: str
    account_number: str
    bank_code: str
    bank_name: str
    account_name: str
    currency: str
    active: bool


@dataclass(frozen=True, slots=True)
class CreditPage:
    """Credits, the oldest first; `cursor` None: no more."""

    credits: tuple[Credit, ...]
    cursor: str | None


class AccountIssuer(Protocol):
    """What a connector with the operation VIRTUAL_ACCOUNTS does besides. Stateless, like every connector."""

    async def open_account(self, context: Context, wanted: AccountWanted) -> IssuedAccount:
        """Open the account, or find it if it is open under this name already.

        Raises: RailUnable when the provider refuses for good; NotSent; anything else means unknown.
        """
        ...

    async def find_account(self, context: Context, our_ref: str) -> IssuedAccount | None:
        """The account under this name; None when the provider has none. Raises: Fault when it cannot be asked."""
        ...

    async def close_account(self, context: Context, our_ref: str) -> None:
        """Money sent to it no longer arrives. Closing a closed account is fine. Raises: as `open_account`."""
        ...

    async def find_credit(self, context: Context, credit_id: str) -> Credit | None:
        """What the provider's own books say of one credit; None when it has none. Raises: Fault."""
        ...

    async def fetch_credits(self, context: Context, since: datetime, cursor: str | None) -> CreditPage:
        """Credits since then: what notifications may have missed. Raises: Fault; RailUnable where there is no list."""
        ...
