"""What those who send need to know of an organisation's rules. `money.policies` provides it."""

from typing import Protocol
from uuid import UUID

from omniroute.money.payments.model import Payment


class Rules(Protocol):
    """An organisation's rules, to look at a payment once more before it leaves."""

    def recheck(self, payment: Payment) -> None:
        """Whether it would still be allowed. Raises: a Refusal."""
        ...


class RulesOf(Protocol):
    """Finds an organisation's rules."""

    async def get(self, tenant_id: UUID) -> Rules:
        """The rules as they stand; cached for seconds at most."""
        ...
