"""Accounting periods: until when the books may still be written, enforced inside posting.

    open <-> soft_closed -> closed -> sealed        closed -> soft_closed        open -> closed

Open: everybody posts. Soft-closed: only a role with the right to. Closed: nobody; late items move to the next open
date and keep their own. Sealed: closed for ever, with a hash over what was booked and over the seal before.
"""

from omniroute.ledger.periods.errors import (
    MalformedPeriod,
    PeriodChanged,
    PeriodNotFound,
    PeriodOutOfOrder,
    PeriodOverlap,
    PeriodTransition,
)
from omniroute.ledger.periods.model import Period, PeriodStatus
from omniroute.ledger.periods.service import (
    PERIODS,
    close,
    create_months,
    create_period,
    find_period,
    list_periods,
    reopen,
    seal,
    soft_close,
)

__all__ = [
    "PERIODS",
    "MalformedPeriod",
    "Period",
    "PeriodChanged",
    "PeriodNotFound",
    "PeriodOutOfOrder",
    "PeriodOverlap",
    "PeriodStatus",
    "PeriodTransition",
    "close",
    "create_months",
    "create_period",
    "find_period",
    "list_periods",
    "reopen",
    "seal",
    "soft_close",
]
