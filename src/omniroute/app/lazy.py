"""Commands that are imported when they are called for: to list them, one line of each is enough.

Who asks for help, or mistypes a setting, must not wait until HTTP server, rails and ledger are loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command, or a group of them: where it is, and its first sentence."""

    module: str
    attribute: str
    help: str

    def load(self, name: str) -> Any:
        """Import it."""
        found = getattr(import_module(self.module), self.attribute)
        holder = typer.Typer()
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=name)
        else:
            holder.command(name)(found)
        return typer.main.get_group(holder).commands[name]


class LazyGroup(TyperGroup):
    """A group of such commands. A subclass has them in `lazy`, in the order in which help shows them."""

    lazy: ClassVar[Mapping[str, Lazy]] = {}

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for name, one in self.lazy.items():
            self.commands[name] = TyperCommand(name, help=one.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that is called, imported now."""
        name, command, rest = super().resolve_command(ctx, args)
        one = None if name is None else self.lazy.get(name)
        if name is None or one is None:
            return name, command, rest
        self.commands[name] = one.load(name)
        return name, self.commands[name], rest
