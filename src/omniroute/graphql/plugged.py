"""Root fields that are not tables: what answers them says which there are and gives their values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from graphql import GraphQLField, GraphQLObjectType, OperationDefinitionNode

from omniroute.graphql.compiler.given import Absent, Variables, lift
from omniroute.graphql.compiler.writing import resolve
from omniroute.graphql.fields import Collector, Field
from omniroute.graphql.model.roles import RoleView, TableView
from omniroute.graphql.session import Session

T = TypeVar("T")
Operation = Literal["query", "mutation", "subscription"]


def operation_of(node: OperationDefinitionNode) -> Operation:
    """Whether it is a query, a mutation or a subscription."""
    return node.operation.value


class Types(Protocol):
    """The types of a role's schema while it is made. A name has one type."""

    view: RoleView

    def once(self, name: str, make: Callable[[str], T]) -> T:
        """The type of this name, made if it is not there yet."""

    def object(self, table: TableView) -> GraphQLObjectType:
        """The type of a table's rows."""

    def rows(self, table: TableView) -> GraphQLField:
        """A list of a table's rows, with its arguments."""


@dataclass(frozen=True, slots=True)
class Call:
    """A root field of a request that is to be answered. `variables` fit their types."""

    role: str
    session: Session
    operation: Operation
    field: Field
    collector: Collector
    variables: Variables
    document: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The values of the arguments that are given."""
        found = {}
        for one in self.field.node.arguments or ():
            value = lift(one.value, self.field.definition.args[one.name.value].type, self.variables)
            if not isinstance(value, Absent):
                found[one.name.value] = self._plain(value)
        return found

    def _plain(self, given: Any) -> Any:
        match given:
            case None:
                return None
            case dict():
                return {name: self._plain(item) for name, item in given.items()}
            case list():
                return [self._plain(item) for item in given]
        return resolve(given, self.variables, self.session.variables)


class RootFields(Protocol):
    """Answers root fields by its own means, such as a call of a handler."""

    def roles(self) -> frozenset[str]:
        """Roles that may use some of the fields, beside those the tables name."""

    def fields(self, types: Types, role: str, operation: Operation) -> Mapping[str, GraphQLField]:
        """The fields a role may ask for."""

    async def answer(self, call: Call) -> str:
        """The field's value as JSON text, only with the members that are asked for.

        Raises: RequestRefused.
        """
