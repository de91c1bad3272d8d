"""Reads what roles may do with a table."""

from omniroute.graphql.metadata.parts import Part, called
from omniroute.graphql.metadata.tree import DeletePermission, InsertPermission, SelectPermission, UpdatePermission

_QUERY_ROOTS = ("select", "select_by_pk", "select_aggregate")


def select_permissions(part: Part) -> tuple[SelectPermission, ...]:
    return part.each("select_permissions", called("select permission of", "role"), _select)


def insert_permissions(part: Part) -> tuple[InsertPermission, ...]:
    return part.each("insert_permissions", called("insert permission of", "role"), _insert)


def update_permissions(part: Part) -> tuple[UpdatePermission, ...]:
    return part.each("update_permissions", called("update permission of", "role"), _update)


def delete_permissions(part: Part) -> tuple[DeletePermission, ...]:
    return part.each("delete_permissions", called("delete permission of", "role"), _delete)


def _select(part: Part) -> SelectPermission:
    role, permission = _permission(part)
    with permission.read():
        if permission.raw("validate_input"):
            permission.unserved("validate_input is not served")
        return SelectPermission(
            role,
            _column_set(permission),
            frozenset(map(str, permission.items("computed_fields"))),
            permission.mapping("filter"),
            permission.number("limit"),
            permission.flag("allow_aggregations"),
            _root_kinds(permission, "query_root_fields", _QUERY_ROOTS),
            _root_kinds(permission, "subscription_root_fields", (*_QUERY_ROOTS, "select_stream")),
        )


def _root_kinds(part: Part, key: str, known: tuple[str, ...]) -> frozenset[str] | None:
    """The root fields a role is left with; None where the metadata do not say."""
    if part.raw(key) is None:
        return None
    kinds = frozenset(map(str, part.items(key)))
    if kinds - set(known):
        part.wrong(f"{key} must be some of {', '.join(known)}, not {', '.join(sorted(kinds - set(known)))}")
    return kinds


def _insert(part: Part) -> InsertPermission:
    role, permission = _permission(part)
    with permission.read():
        if permission.raw("validate_input"):
            permission.unserved("validate_input is not served")
        return InsertPermission(
            role,
            _column_set(permission),
            permission.mapping("check"),
            permission.mapping("set"),
            permission.flag("backend_only"),
        )


def _update(part: Part) -> UpdatePermission:
    role, permission = _permission(part)
    with permission.read():
        if permission.raw("validate_input"):
            permission.unserved("validate_input is not served")
        return UpdatePermission(
            role,
            _column_set(permission),
            permission.mapping("filter"),
            permission.mapping("check"),
            permission.mapping("set"),
            permission.flag("backend_only"),
        )


def _delete(part: Part) -> DeletePermission:
    role, permission = _permission(part)
    with permission.read():
        if permission.raw("validate_input"):
            permission.unserved("validate_input is not served")
        return DeletePermission(role, permission.mapping("filter"), permission.flag("backend_only"))


def _permission(part: Part) -> tuple[str, Part]:
    return part.need("role"), part.part("permission")


def _column_set(part: Part) -> frozenset[str] | None:
    value = part.raw("columns")
    if value == "*":
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return frozenset(value)
    if value is not None:
        part.wrong(f"columns must be a list or *, not {value!r:.60}")
    return frozenset()
