"""The allow list: when it is on, only documents of the metadata's collections are executed, but for the admin.

Documents are the same when their definitions are, whatever the blanks, comments and order of definitions; `__typename`,
which clients add by themselves, does not count.
"""

from collections import OrderedDict
from hashlib import sha256
from typing import Any

from graphql import REMOVE, DocumentNode, FieldNode, GraphQLError, Visitor, parse, print_ast, visit

from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.limits import Limits, parse_within
from omniroute.graphql.metadata.tree import Metadata

KEPT_MAX = 1_000


class AllowList:
    """The documents each role may execute."""

    def __init__(self, metadata: Metadata, limits: Limits) -> None:
        self._limits = limits
        self._everyone: set[bytes] = set()
        self._by_role: dict[str, set[bytes]] = {}
        self._known: OrderedDict[bytes, bytes] = OrderedDict()
        for collection in metadata.allow_list:
            documents = set(map(_listed, collection.documents))
            if collection.roles is None:
                self._everyone |= documents
            for role in collection.roles or ():
                self._by_role.setdefault(role, set()).update(documents)

    def check(self, role: str, document: str) -> None:
        """Refuse a document that is not listed for the role.

        Raises: RequestRefused.
        """
        normal = self._normal(document)
        if normal not in self._everyone and normal not in self._by_role.get(role, ()):
            raise RequestRefused("query is not allowed")

    def _normal(self, document: str) -> bytes:
        key = sha256(document.encode(errors="replace")).digest()
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = normal(parse_within(document, self._limits))
            if len(self._known) > KEPT_MAX:
                self._known.popitem(last=False)
        return found


class _WithoutTypename(Visitor):
    def enter_field(self, node: FieldNode, *_: Any) -> Any:
        return REMOVE if node.name.value == "__typename" else None


def normal(document: DocumentNode) -> bytes:
    """One digest for all documents that ask for the same."""
    kept = visit(document, _WithoutTypename())
    return sha256("\n".join(sorted(print_ast(one) for one in kept.definitions)).encode()).digest()


def _listed(text: str) -> bytes:
    """A listed document that is none is like no other."""
    try:
        return normal(parse(text, no_location=True))
    except GraphQLError:
        return b""
