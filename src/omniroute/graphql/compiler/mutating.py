"""Compiles any field of mutation_root."""

from dataclasses import dataclass

from omniroute.graphql.compiler.changing import Change
from omniroute.graphql.compiler.given import Variables
from omniroute.graphql.compiler.inserting import InsertCompiler
from omniroute.graphql.compiler.updating import UpdateCompiler
from omniroute.graphql.fields import Collector, Field
from omniroute.graphql.schema.building import RoleSchema


@dataclass(frozen=True, slots=True)
class Changes:
    """What a field does: one change, or several whose answers make a list."""

    items: tuple[Change, ...]
    is_list: bool = False


def compile_mutation(
    schema: RoleSchema, collector: Collector, variables: Variables, field: Field, *, stringify: bool
) -> Changes:
    """What a field of mutation_root does.

    Raises: RequestRefused.
    """
    asked = schema.mutations[field.name]
    updates = UpdateCompiler(schema, collector, variables, stringify=stringify)
    if asked.function is not None:
        return Changes((updates.call(field, asked.function),))
    assert asked.table is not None
    is_one = asked.kind in ("insert_one", "update_by_pk", "delete_by_pk")
    match asked.kind:
        case "insert" | "insert_one":
            inserts = InsertCompiler(schema, collector, variables, stringify=stringify)
            return Changes((inserts.insert(field, asked.table, is_one=is_one),))
        case "update_many":
            return Changes(updates.update_many(field, asked.table), is_list=True)
        case "update" | "update_by_pk":
            return Changes((updates.update(field, asked.table, is_one=is_one),))
    return Changes((updates.delete(field, asked.table, is_one=is_one),))
