"""An operator that speaks the GSMA Mobile Money API 1.2: orders, their states, reversals, accounts, statements.

It answers an order with a request to be asked about, and calls back by PUT; or at once, when made `synchronous`.
"""

from omniroute.sandbox.gsma.rail import GsmaSandbox

__all__ = ["GsmaSandbox"]
