"""Safaricom M-Pesa (Kenya) over Daraja: pays wallets (B2C), tills and paybills (B2B), in whole shillings.

Daraja answers twice. The answer to a request says only that it was taken; the result comes later as a call on the
address given with the request, unsigned. So a result that comes by itself is a hint, and the truth is what M-Pesa says
when asked: the status query, whose answer comes by a call as well, on an address of its own.
"""

from omniroute.connectors.mpesa.connector import MpesaConnector

__all__ = ["MpesaConnector"]
