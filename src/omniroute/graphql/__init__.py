"""The GraphQL door: Hasura's dialect over our PostgreSQL, driven by Hasura metadata.

    folder -> read_folder -> parse_metadata -> Metadata          what is tracked, who may see what
    database -> read_catalog -> Catalog                          types, keys, functions
    Metadata + Catalog -> Engine                                 a schema for each role
    execute(engine, role, session, document, variables) -> Answer

A document becomes one SQL statement whose result is the JSON of the answer. Values of a request are parameters of
that statement, never part of its text. Permissions are conditions in it; row-level security holds underneath.
"""

from omniroute.graphql.actions import Actions
from omniroute.graphql.calling import Calls
from omniroute.graphql.checking import check, load_metadata
from omniroute.graphql.doors.asgi import App, Scope, address_of
from omniroute.graphql.doors.http import DoorLimits, HttpDoor
from omniroute.graphql.doors.mounting import mount
from omniroute.graphql.doors.serving import Serving
from omniroute.graphql.doors.socket import SocketDoor, SocketLimits
from omniroute.graphql.doors.visitors import Gate
from omniroute.graphql.engine import Engine
from omniroute.graphql.errors import MetadataRefused, MetadataUnreadable, RequestRefused
from omniroute.graphql.executing import Answer, execute
from omniroute.graphql.limits import Limits
from omniroute.graphql.live.hub import Hub
from omniroute.graphql.live.limits import LiveLimits
from omniroute.graphql.metadata.parsing import parse_metadata
from omniroute.graphql.metadata.product import product_metadata
from omniroute.graphql.metadata.reading import read_folder
from omniroute.graphql.metadata.tree import Metadata, Name, Problem
from omniroute.graphql.model.catalog import Catalog, read_catalog
from omniroute.graphql.model.implied import Implied
from omniroute.graphql.plugged import Call, Operation, RootFields, Types
from omniroute.graphql.session import Session
from omniroute.graphql.triggers import (
    DeadLetter,
    DeliveryNotFound,
    RowEvents,
    TriggerNotFound,
    dead_letters,
    invoke,
    redeliver,
    redeliver_all,
)
from omniroute.graphql.working import Working

__all__ = [
    "Actions",
    "Answer",
    "App",
    "Call",
    "Calls",
    "Catalog",
    "DeadLetter",
    "DeliveryNotFound",
    "DoorLimits",
    "Engine",
    "Gate",
    "HttpDoor",
    "Hub",
    "Implied",
    "Limits",
    "LiveLimits",
    "Metadata",
    "MetadataRefused",
    "MetadataUnreadable",
    "Name",
    "Operation",
    "Problem",
    "RequestRefused",
    "RootFields",
    "RowEvents",
    "Scope",
    "Serving",
    "Session",
    "SocketDoor",
    "SocketLimits",
    "TriggerNotFound",
    "Types",
    "Working",
    "address_of",
    "check",
    "dead_letters",
    "execute",
    "invoke",
    "load_metadata",
    "mount",
    "parse_metadata",
    "product_metadata",
    "read_catalog",
    "read_folder",
    "redeliver",
    "redeliver_all",
]
