"""Reads Hasura metadata as the Hasura CLI writes it (a folder of YAML, version 3) or exports it (one JSON document).

Parts are joined as the CLI does: `!include`, as a tag or as a quoted string, names a file beside the one it stands in.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import graphql
import yaml  # type: ignore[import-untyped]

from omniroute.graphql.errors import MetadataUnreadable

FILES = {
    "actions.yaml": ("actions", "custom_types"),
    "allow_list.yaml": ("allowlist",),
    "api_limits.yaml": ("api_limits",),
    "backend_configs.yaml": ("backend_configs",),
    "cron_triggers.yaml": ("cron_triggers",),
    "databases/databases.yaml": ("sources",),
    "graphql_schema_introspection.yaml": ("graphql_schema_introspection",),
    "inherited_roles.yaml": ("inherited_roles",),
    "metrics_config.yaml": ("metrics_config",),
    "network.yaml": ("network",),
    "opentelemetry.yaml": ("opentelemetry",),
    "query_collections.yaml": ("query_collections",),
    "remote_schemas.yaml": ("remote_schemas",),
    "rest_endpoints.yaml": ("rest_endpoints",),
}
"""The CLI's files, and the members of the exported document they hold."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without surprises: plain values only, numbers with every digit, and `!include`."""


def _fraction(loader: Any, node: Any) -> Any:
    """A filter may hold more digits than a binary fraction."""
    try:
        return Decimal(str(loader.construct_scalar(node)))
    except ArithmeticError:
        return loader.construct_yaml_float(node)


_Loader.add_constructor("tag:yaml.org,2002:float", _fraction)
_Loader.add_constructor("!include", lambda loader, node: "!include " + str(loader.construct_scalar(node)))


def read_folder(folder: Path) -> dict[str, Any]:
    """The metadata in a folder (its root, or the folder `metadata` in it), as one document.

    Raises: MetadataUnreadable.
    """
    root = folder if (folder / "version.yaml").exists() or not (folder / "metadata").is_dir() else folder / "metadata"
    version = _file(root, root / "version.yaml")
    if not isinstance(version, Mapping) or version.get("version") != 3:
        raise MetadataUnreadable(f"{root / 'version.yaml'}: version 3 is needed", file="version.yaml")
    document: dict[str, Any] = {"version": 3}
    for name, members in FILES.items():
        if (root / name).exists():
            document |= _members(name, members, _file(root, root / name))
    types = (root / "actions.graphql").read_text(encoding="utf-8") if (root / "actions.graphql").exists() else ""
    if types.strip():  # The CLI writes an empty one where there are no actions.
        _add_types(document, types)
    return document


def _members(name: str, members: tuple[str, ...], value: Any) -> dict[str, Any]:
    """What a file adds to the document. actions.yaml names its members; the others are their one member."""
    if value is None:
        return {}
    if name != "actions.yaml":
        return {members[0]: value}
    if not isinstance(value, Mapping):
        raise MetadataUnreadable(f"{name}: must be a mapping", file=name)
    return dict(value)


def _file(root: Path, path: Path) -> Any:
    if not path.resolve().is_relative_to(root.resolve()):
        raise MetadataUnreadable(f"{path}: lies outside of the metadata", file=str(path))
    try:
        # _Loader is a SafeLoader.
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MetadataUnreadable(f"{path}: {error}", file=path.name) from error
    return _included(root, path, value, ())


def _included(root: Path, path: Path, value: Any, above: tuple[Path, ...]) -> Any:
    match value:
        case str() if value.startswith("!include "):
            target = path.parent / value.removeprefix("!include ").strip()
            if target in above or len(above) > 32:
                raise MetadataUnreadable(f"{path}: includes itself", file=path.name)
            try:
                text = target.read_text(encoding="utf-8") if _inside(root, target) else ""
                inner = yaml.load(text, Loader=_Loader)  # noqa: S506
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                raise MetadataUnreadable(f"{target}: {error}", file=target.name) from error
            return _included(root, target, inner, (*above, target))
        case dict():
            return {str(key): _included(root, path, item, above) for key, item in value.items()}
        case list():
            return [_included(root, path, item, above) for item in value]
    return value


def _inside(root: Path, path: Path) -> bool:
    if not path.resolve().is_relative_to(root.resolve()):
        raise MetadataUnreadable(f"{path}: lies outside of the metadata", file=str(path))
    return True


def _add_types(document: dict[str, Any], text: str) -> None:
    """Join actions.graphql: arguments and output of each action, and the custom types."""
    try:
        parsed = graphql.parse(text, no_location=True)
    except graphql.GraphQLError as error:
        raise MetadataUnreadable(f"actions.graphql: {error.message}", file="actions.graphql") from error
    definitions = {item.get("name"): item.setdefault("definition", {}) for item in document.get("actions") or []}
    types: dict[str, list[dict[str, Any]]] = {"input_objects": [], "objects": [], "scalars": [], "enums": []}
    for node in parsed.definitions:
        match node:
            case graphql.ObjectTypeDefinitionNode() | graphql.ObjectTypeExtensionNode():
                if node.name.value in ("Query", "Mutation"):
                    for one in node.fields or ():
                        if one.name.value in definitions:
                            definitions[one.name.value] |= _signature(one, node.name.value.lower())
                else:
                    types["objects"].append({"name": node.name.value, "fields": _fields(node.fields)})
            case graphql.InputObjectTypeDefinitionNode():
                types["input_objects"].append({"name": node.name.value, "fields": _fields(node.fields)})
            case graphql.ScalarTypeDefinitionNode():
                types["scalars"].append({"name": node.name.value})
            case graphql.EnumTypeDefinitionNode():
                values = [{"value": value.name.value} for value in node.values or ()]
                types["enums"].append({"name": node.name.value, "values": values})
    declared = document.setdefault("custom_types", {}) or {}
    for kind, found in types.items():
        extras = {item.get("name"): item for item in declared.get(kind) or []}
        # actions.yaml adds to a type what SDL cannot say, such as relationships.
        declared[kind] = [{**extras.get(item["name"], {}), **item} for item in found]
    document["custom_types"] = declared


def _signature(node: graphql.FieldDefinitionNode, operation: str) -> dict[str, Any]:
    return {
        "type": operation,
        "arguments": _fields(node.arguments),
        "output_type": graphql.print_ast(node.type),
    }


def _fields(nodes: tuple[Any, ...] | None) -> list[dict[str, str]]:
    return [{"name": node.name.value, "type": graphql.print_ast(node.type)} for node in nodes or ()]
