"""The GraphQL door: Hasura's dialect over our PostgreSQL, driven by Hasura metadata.

    folder -> read_folder -> parse_metadata -> Metadata          what is tracked, who may see what
    database -> read_catalog -> Catalog                          types, keys, functions
    Metadata + Catalog -> Engine                                 a schema for each role
    execute(engine, role, session, document, variables) -> Answer

A document becomes one SQL statement whose result is the JSON of the answer. Values of a request are parameters of
that statement, never part of its text. Permissions are conditions in it; row-level security holds underneath.
"""

from omniroute.graphql.catalog import Catalog, read_catalog
from omniroute.graphql.checking import check, load_metadata
from omniroute.graphql.engine import Answer, Engine, Session, execute
from omniroute.graphql.errors import MetadataRefused, MetadataUnreadable, RequestRefused
from omniroute.graphql.limits import Limits
from omniroute.graphql.metadata import Metadata, Problem
from omniroute.graphql.parsing import parse_metadata
from omniroute.graphql.reading import read_folder

__all__ = [
    "Answer",
    "Catalog",
    "Engine",
    "Limits",
    "Metadata",
    "MetadataRefused",
    "MetadataUnreadable",
    "Problem",
    "RequestRefused",
    "Session",
    "check",
    "execute",
    "load_metadata",
    "parse_metadata",
    "read_catalog",
    "read_folder",
]
