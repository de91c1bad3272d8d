"""Any operator that speaks the GSMA Mobile Money API 1.2.

The request carries an id of ours, and `/responses/{id}` leads to whatever became of it: a lost reply is found again. A
request that is completed is not yet a payment; only the transaction behind it says so, with amount, payee and state.
"""

from omniroute.connectors.gsma.connector import Gsma
from omniroute.connectors.gsma.wire import Heartbeat

__all__ = ["Gsma", "Heartbeat"]
