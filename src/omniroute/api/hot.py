"""The short way: operations marked `hot` are found by two splits of the path, before the framework is asked.

They are the same operations, worked by the same door and standing in the same document; only the routing is skipped,
which costs more than all the rest of a posting.
"""

from collections.abc import Sequence

from omniroute.api.operations import Operation

_HEAD = "/v1/{tenant}/"


class HotRoutes:
    """Hot operations by method and the rest of the path after the tenant."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._by_rest: dict[tuple[str, str], Operation] = {}
        for op in operations:
            if op.hot:
                rest = op.path.removeprefix(_HEAD)
                assert op.path_parameters == ["tenant"], f"{op.path}: a hot path has one parameter, the tenant"
                self._by_rest[op.method, rest] = op

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The hot operation at this address with its path parameters, or None."""
        if not path.startswith("/v1/"):
            return None
        tenant, _, rest = path[4:].partition("/")
        op = self._by_rest.get((method, rest))
        return None if op is None or not tenant else (op, {"tenant": tenant})
