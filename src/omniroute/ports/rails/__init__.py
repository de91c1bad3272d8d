"""What we ask of a rail that carries money, and the words for its answers.

A connector is pure protocol: it turns a payout into the rail's bytes and the rail's bytes into a `Result`. It has no
database, tries nothing again, keeps no state but its access token, and decides nothing: whether a payment is sent,
asked about or given up is the business of `money.payments`.

    build_reference   before anything is stored; deterministic; legal on the rail
    submit            one send of one payout                        -> Result
    query             what became of it                             -> Result
    resolve_party     whose account is this                         -> Holder
    read_callback     what the rail called us with                  -> RailEvent, and the exact acknowledgement

What a connector raises means one of two things. `NotSent`: it is proven that the rail did not get the order.
Anything else, once the order may have left the house: unknown.
"""

from omniroute.ports.rails.collecting import AccountIssuer, AccountWanted, CreditPage, IssuedAccount
from omniroute.ports.rails.connector import Callback, Connector, Context, FileConnector
from omniroute.ports.rails.errors import NotSent, RailAnswerUnreadable, RailUnable
from omniroute.ports.rails.files import FileAnswer, FileNews, FileSession, RailFile
from omniroute.ports.rails.model import (
    Ack,
    Answer,
    Balance,
    Capabilities,
    Credentials,
    Credit,
    EventKind,
    Holder,
    Institution,
    Operation,
    Outcome,
    Party,
    PartyKind,
    Payout,
    RailEvent,
    Result,
    StatementLine,
    StatementPage,
    Trust,
)
from omniroute.ports.rails.policy import CodeClass, CodeEntry, CodeTable, Duplicates, RailPolicy

__all__ = [
    "AccountIssuer",
    "AccountWanted",
    "Ack",
    "Answer",
    "Balance",
    "Callback",
    "Capabilities",
    "CodeClass",
    "CodeEntry",
    "CodeTable",
    "Connector",
    "Context",
    "Credentials",
    "Credit",
    "CreditPage",
    "Duplicates",
    "EventKind",
    "FileAnswer",
    "FileConnector",
    "FileNews",
    "FileSession",
    "Holder",
    "Institution",
    "IssuedAccount",
    "NotSent",
    "Operation",
    "Outcome",
    "Party",
    "PartyKind",
    "Payout",
    "RailAnswerUnreadable",
    "RailEvent",
    "RailFile",
    "RailPolicy",
    "RailUnable",
    "Result",
    "StatementLine",
    "StatementPage",
    "Trust",
]
