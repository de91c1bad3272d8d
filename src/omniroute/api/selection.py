"""A process may serve a part of the door: some modules, the rest is answered with 404 and served by another process.

A module is the file that declares the operation; the first word of its name is its family, so that `ledger` stands for
`ledger_accounts`, `ledger_holds` and the others. Both come from the list of operations: a new module joins by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from omniroute.api.operations import Operation
from omniroute.kit.refusal import Kind, Refusal

ALWAYS = frozenset({"health", "documentation"})
"""What every process answers."""


class UnknownModule(Refusal):
    """There is no such module to serve; `unknown` names it, `known` lists those there are."""

    code = "api.unknown_module"
    kind = Kind.INVALID


class NotServedHere(Refusal):
    """The address exists, but this process does not serve its module; send the request where `module` is served."""

    code = "api.not_served_here"
    kind = Kind.NOT_FOUND


def module_of(op: Operation) -> str:
    """The module that declares an operation."""
    return op.handler.__module__.rpartition(".")[2]


def family_of(op: Operation) -> str:
    """The first word of its module's name."""
    return module_of(op).partition("_")[0]


def modules_of(operations: Iterable[Operation]) -> list[str]:
    """Every name that can be selected: modules and families."""
    found = {name for op in operations for name in (module_of(op), family_of(op))}
    return sorted(found - ALWAYS)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which modules are served; None: all."""

    names: frozenset[str] | None = None

    def serves(self, op: Operation) -> bool:
        """Whether requests for this operation are worked here."""
        if self.names is None or module_of(op) in ALWAYS:
            return True
        return not self.names.isdisjoint({module_of(op), family_of(op)})

    def includes(self, name: str) -> bool:
        """Whether a door that stands beside this one is served here."""
        return self.names is None or name in self.names


EVERYTHING = Selection()
NOTHING = Selection(frozenset())
"""What every process answers, and no more."""


def choose(names: Iterable[str], operations: Iterable[Operation], beside: Iterable[str] = ()) -> Selection:
    """These modules and families of the operations, and doors `beside` this one.

    Raises: UnknownModule.
    """
    wanted = frozenset(names)
    known = sorted({*modules_of(operations), *beside})
    unknown = sorted(wanted.difference(known))
    if unknown or not wanted:
        named = ", ".join(unknown) or "nothing"
        raise UnknownModule(f"{named} cannot be served; there are: {', '.join(known)}", unknown=unknown, known=known)
    return Selection(wanted)
