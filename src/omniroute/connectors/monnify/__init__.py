"""Monnify (Nigeria): lends account numbers at partner banks, and tells what was paid into them.

An account is reserved under a name of ours; a second try under it finds the first one. A notification is signed over
its bytes; still the money counts as what the answer to a question about that one transaction says. Amounts are naira in
decimals, times are those of Lagos.
"""

from omniroute.connectors.monnify.connector import Monnify

__all__ = ["Monnify"]
