"""Airtel Money: pays out to wallets in fourteen countries, with an encrypted PIN in every order.

`success: true` says that an answer was given, not that anything was paid. Paid is what the rail calls TS of an order
that carries our reference; its numbered codes decline; the rest is asked about until it is certain.
"""

from omniroute.connectors.airtel.connector import Airtel

__all__ = ["Airtel"]
