"""The REST door: parse, ask who and whether they may, call one service, render. It decides nothing about money.

front.py        correlation id, security headers, metrics, access log; hot operations go straight on
application.py  operations become routes of the framework
door.py         how every request is worked, and in which order it is refused
operations.py   what an operation declares
openapi.py      operations as a document; documentation.py: the document as pages
registry.py     the list of all operations, those pages included
selection.py    a part of the door, for a process of its own
proxies.py      the client's address behind trusted proxies
problems.py     the only table from refusal to HTTP status
<noun>.py       the operations of one module
"""

from omniroute.api.application import create_app
from omniroute.api.call import Limits, PaymentServices, Poster, Services
from omniroute.api.front import App, Front
from omniroute.api.openapi import error_codes
from omniroute.api.proxies import Proxies
from omniroute.api.registry import openapi_document, select
from omniroute.api.selection import EVERYTHING, NOTHING, Selection, UnknownModule

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "App",
    "Front",
    "Limits",
    "PaymentServices",
    "Poster",
    "Proxies",
    "Selection",
    "Services",
    "UnknownModule",
    "create_app",
    "error_codes",
    "openapi_document",
    "select",
]
