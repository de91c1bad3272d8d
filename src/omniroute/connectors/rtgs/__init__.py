"""RTGS of the Central Bank of Nigeria: one pacs.008 an order while the window is open, pacs.002 in.

Each order carries a UETR made from our reference, so that every bank on the way knows it by one name.
"""

from omniroute.connectors.rtgs.connector import RtgsConnector

__all__ = ["RtgsConnector"]
