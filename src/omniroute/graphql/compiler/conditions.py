"""Reads `where`: from the arguments of a request to a condition, with the rows of other tables guarded."""

from omniroute.graphql.compiler.given import Given
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.model.expressions import (
    TOTAL,
    TRUE,
    And,
    Compare,
    Constant,
    Exists,
    Expression,
    IsNull,
    Listed,
    Mapped,
    Not,
    Or,
    Term,
    Total,
    Value,
)
from omniroute.graphql.model.predicates import OF_TWO, TAKES, type_name
from omniroute.graphql.model.roles import AggregateLink, ColumnField, RoleView, TableView
from omniroute.graphql.model.scalars import scalar_name
from omniroute.graphql.model.tables import Link

_OPERATORS = ["_is_null", "_in", "_nin", "_has_key", "_has_keys_any", "_has_keys_all", "_contained_in"]


class Where:
    """Reads the conditions of one role."""

    def __init__(self, view: RoleView) -> None:
        self.view = view
        self._negations = 0
        self._canonical = {view.model.names.field(one): one for one in _OPERATORS}

    def read(self, table: TableView, given: Given, path: str) -> Expression:
        """A bool_exp as a condition.

        Raises: RequestRefused.
        """
        if given is None:
            raise _null(f"{table.type_name}_bool_exp", path)
        assert isinstance(given, dict)
        items = tuple(self._member(table, name, value, f"{path}.{name}") for name, value in given.items())
        return items[0] if len(items) == 1 else And(items)

    def _member(self, table: TableView, name: str, given: Given, path: str) -> Expression:
        match name:
            case "_and":
                return And(self._each(table, given, path))
            case "_or":
                return Or(self._each(table, given, path))
            case "_not":
                self._negations += 1
                item = self.read(table, given, path)
                self._negations -= 1
                return Not(item)
        member = table.members[name]
        if isinstance(member, Link):
            target = self.view.tables[member.target]
            return Exists(target.name, member.pairs, self.read(target, given, path), target.guards)
        if isinstance(member, AggregateLink):
            return self._total(member.link, given, path)
        found = self._comparison(member.term(), given, path)
        return self._with_implied(table, member, found) if isinstance(member, ColumnField) else found

    def _total(self, link: Link, given: Given, path: str) -> Expression:
        """A predicate on what the related rows come to: those the role may see."""
        target, names = self.view.tables[link.target], self.view.model.names
        if given is None:
            raise _null(type_name(names, target), path)
        assert isinstance(given, dict)
        if len(given) != 1:
            raise RequestRefused("exactly one predicate should be specified", path=path)
        [(function, asked)] = given.items()
        path = f"{path}.{function}"
        if asked is None:
            raise _null(type_name(names, target, function), path)
        assert isinstance(asked, dict)
        only, distinct = asked.get("filter"), asked.get("distinct")
        return Total(
            target.name,
            link.pairs,
            TRUE if only is None else self.read(target, only, f"{path}.filter"),
            target.guards,
            function,
            tuple(target.columns()[name].term() for name in _named(function, asked.get("arguments"))),
            isinstance(distinct, Constant) and bool(distinct.value),
            self._comparison(Term(TAKES[function], column=TOTAL), asked["predicate"], f"{path}.predicate"),
        )

    def _with_implied(self, table: TableView, member: ColumnField, found: Expression) -> Expression:
        """The same condition, with what it says about another column."""
        implied = self.view.model.implied.get((table.name, member.column.name))
        # Where it is negated, unknown and false are not the same; and what is hidden from a role decides nothing.
        if implied is None or self._negations or member.only_where is not None:
            return found
        other = Term(table.tracked.relation.columns[implied.other].type, column=implied.other)
        items = list[Expression]()
        for one in found.items if isinstance(found, And) else (found,):
            if isinstance(one, Compare) and one.operator in ("_eq", "_in") and not one.term.as_text:
                items.append(Compare(other, "_in", Mapped(one.value, implied.means)))
                items.append(Or((Compare(other, "_in", Mapped(one.value, implied.decided)), one)))
            else:
                items.append(one)
        return And(tuple(items))

    def _each(self, table: TableView, given: Given, path: str) -> tuple[Expression, ...]:
        if given is None:
            raise _null(f"[{table.type_name}_bool_exp!]", path)
        assert isinstance(given, list)
        return tuple(self.read(table, item, f"{path}[{place}]") for place, item in enumerate(given))

    def _comparison(self, term: Term, given: Given, path: str) -> Expression:
        if given is None:
            raise _null("comparison_exp", path)
        assert isinstance(given, dict)
        items = tuple(self._operator(term, name, value, f"{path}.{name}") for name, value in given.items())
        return items[0] if len(items) == 1 else And(items)

    def _operator(self, term: Term, name: str, given: Given, path: str) -> Expression:
        operator = self._canonical.get(name, name)
        if given is None:
            raise _null(scalar_name(term.type), path)
        if operator == "_is_null":
            assert isinstance(given, Constant)
            return IsNull(term, bool(given.value))
        if operator == "_cast":
            text = Term(term.type, term.column, term.routine, term.session_argument, term.only_where, as_text=True)
            assert isinstance(given, dict)
            return TRUE if "String" not in given else self._comparison(text, given["String"], f"{path}.String")
        return Compare(term, operator, _value(given))


def _named(function: str, given: Given) -> list[str]:
    """The columns that are aggregated, in the order the function takes them."""
    if function in OF_TWO:
        assert isinstance(given, dict)
        given = [given["Y"], given["X"]]
    chosen = given if isinstance(given, list) else [given] if given is not None else []
    return [str(one.value) for one in chosen if isinstance(one, Constant)]


def _value(given: Given) -> Value:
    if isinstance(given, list):  # Values of an enum.
        return Listed(tuple(_value(item) for item in given))
    assert not isinstance(given, dict)
    assert given is not None
    return given


def _null(kind: str, path: str) -> RequestRefused:
    return RequestRefused(f"unexpected null value for type '{kind}'", path=path)
