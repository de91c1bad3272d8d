"""Bank connections: how an organisation reaches its accounts at rails; credentials sealed, health watched.

    active <-> paused (sends nothing new, still asks) -> closed

Each has a float on the ledger (`float:CODE`): what we hold at the rail, as our own books see it.
"""

from omniroute.money.connections.asking import Enquiry, balances_of, holder_of, link_of, statement_of
from omniroute.money.connections.links import PORTAL, ConnectionLinks, callback_code
from omniroute.money.connections.model import BankConnection, ConnectionStatus, CreateConnection, Health, float_code
from omniroute.money.connections.service import (
    create_connection,
    find_connection,
    list_connections,
    open_connections,
    update_connection,
)
from omniroute.money.connections.store import CONNECTIONS
from omniroute.money.connections.watch import ask_balances, watch

__all__ = [
    "CONNECTIONS",
    "PORTAL",
    "BankConnection",
    "ConnectionLinks",
    "ConnectionStatus",
    "CreateConnection",
    "Enquiry",
    "Health",
    "ask_balances",
    "balances_of",
    "callback_code",
    "create_connection",
    "find_connection",
    "float_code",
    "holder_of",
    "link_of",
    "list_connections",
    "open_connections",
    "statement_of",
    "update_connection",
    "watch",
]
