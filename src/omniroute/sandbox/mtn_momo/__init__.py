"""MTN MoMo: disbursements, holders and balance, in its own sandbox's currency and in those of fourteen countries.

The rail's own test numbers have their documented outcomes, every other number succeeds. What became of an order is told
when asked, and by one call that is never repeated.
"""

from omniroute.sandbox.mtn_momo.rail import MtnMomoSandbox

__all__ = ["MtnMomoSandbox"]
