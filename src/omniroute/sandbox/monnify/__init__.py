"""Monnify as its merchants see it: reserved accounts, what was paid into them, signed notifications, a wallet.

    PUT  /portal/callback     {"url": ...}: where notifications go, as set in the dashboard
    POST /portal/transfers    a payer's bank sends money: {"accountNumber": ..., "amount": "2500.00"}; more in `payers`

Money that arrives is settled to the merchant's wallet at once, less the fee; every movement is in the sandbox's feed.
"""

from omniroute.sandbox.monnify.payers import Mishap
from omniroute.sandbox.monnify.rail import MonnifySandbox

__all__ = ["Mishap", "MonnifySandbox"]
