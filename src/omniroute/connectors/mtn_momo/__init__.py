"""MTN Mobile Money: pays out from a disbursement account to wallets, in fourteen countries.

One UUID is our reference, the key against repeats and the key of every question. An order that the rail took is
answered with 202 and nothing else; what became of it is told by a question, and by one unsigned call that is never
repeated. Only the word FAILED in the answer to a question declines; the same reasons in an HTTP error decide nothing.
"""

from omniroute.connectors.mtn_momo.connector import MtnMomo

__all__ = ["MtnMomo"]
