"""NEFT, the batch transfers of NIBSS: pain.001 out before the cut-off of a session, pain.002 in after it.

Accepted is not paid: only ACSC and ACCC are. A refusal of the file, of a block or of one order moves exactly those
orders. What no answer tells, the statement of the account does (camt.053, camt.054).
"""

from omniroute.connectors.neft.connector import NeftConnector

__all__ = ["NeftConnector"]
