"""M-Pesa Kenya as Daraja speaks it: B2C, B2B, status, balance, reversal, and what customers pay.

The initiator's password comes under a certificate whose key lies beside this file: it opens nothing but this sandbox.
Money to wallets leaves the shortcode's utility account, named like the shortcode; money to tills and paybills leaves
its working account, `<shortcode>-working`.
"""

from omniroute.sandbox.mpesa.rail import MpesaSandbox

__all__ = ["MpesaSandbox"]
