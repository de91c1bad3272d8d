"""Names of types and fields under Hasura's two naming conventions."""

from dataclasses import dataclass

from omniroute.graphql.metadata.tree import Function, Name, Naming, Table


@dataclass(frozen=True, slots=True)
class Names:
    """Puts parts together: `payments` + `by_pk` is payments_by_pk, or paymentsByPk. Custom names stay as written."""

    convention: Naming = "hasura-default"

    @property
    def is_camel(self) -> bool:
        return self.convention == "graphql-default"

    def field(self, *parts: str) -> str:
        """A field, argument or operator."""
        text = "_".join(parts)
        if not self.is_camel:
            return text
        lead = text[: len(text) - len(text.lstrip("_"))]
        words = [word for word in text.split("_") if word]
        return lead + words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:]) if words else text

    def type(self, base: str, *suffix: str) -> str:
        """A type that belongs to `base` (a table's type name or a scalar)."""
        if not self.is_camel or not suffix:
            return "_".join((base, *suffix))
        words = [word for part in suffix for word in part.split("_")]
        return base[:1].upper() + base[1:] + "".join(word[:1].upper() + word[1:] for word in words)

    def enum_value(self, value: str) -> str:
        """A value of an enum of ours, such as desc_nulls_last."""
        return value.upper() if self.is_camel else value

    def table_type(self, table: Table) -> str:
        """The type of a table's rows."""
        if table.custom_name:
            return table.custom_name
        return _pascal(_joined(table.name)) if self.is_camel else _joined(table.name)

    def table_root(self, table: Table) -> str:
        """What the root fields of a table begin with."""
        return table.custom_name or self.field(_joined(table.name))

    def function_root(self, function: Function) -> str:
        """The root field of a function."""
        return function.root_fields.get("function") or function.custom_name or self.field(_joined(function.name))

    def column(self, table: Table, column: str) -> str:
        """The field of a column."""
        return table.column_names.get(column) or self.field(column)


def _joined(name: Name) -> str:
    return name.name if name.schema == "public" else f"{name.schema}_{name.name}"


def _pascal(text: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in text.split("_") if word)
