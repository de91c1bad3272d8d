"""The shop with actions: metadata, and an engine that asks a handler."""

import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from omniroute.graphql import Engine, Metadata, Session, execute, parse_metadata
from omniroute.graphql.actions import Actions
from omniroute.infra.postgres import Database
from omniroute.kit.clock import SystemClock
from tests.graphql.handler import Handler, calling, handling
from tests.graphql.shop import METADATA
from tests.vaults import the_vault

TYPES: dict[str, Any] = {
    "input_objects": [
        {"name": "OrderInput", "fields": [
            {"name": "reference", "type": "String!"}, {"name": "amount", "type": "numeric!"},
            {"name": "lines", "type": "[LineInput!]"}, {"name": "size", "type": "Size"},
            {"name": "extra", "type": "Anything"}]},
        {"name": "LineInput", "fields": [{"name": "sku", "type": "String!"}, {"name": "count", "type": "Int"}]},
    ],
    "objects": [
        {"name": "Order", "fields": [
            {"name": "id", "type": "bigint!"}, {"name": "merchantId", "type": "uuid"},
            {"name": "reference", "type": "String!"}, {"name": "amount", "type": "numeric"},
            {"name": "size", "type": "Size"}, {"name": "lines", "type": "[Line!]"},
            {"name": "extra", "type": "Anything"}],
         "relationships": [
            {"name": "payment", "type": "object", "remote_table": {"schema": "shop", "name": "payment"},
             "field_mapping": {"id": "id"}},
            {"name": "siblings", "type": "array", "remote_table": {"schema": "shop", "name": "payment"},
             "field_mapping": {"merchantId": "merchant_id"}}]},
        {"name": "Line", "fields": [{"name": "sku", "type": "String!"}, {"name": "count", "type": "Int"}]},
    ],
    "scalars": [{"name": "Anything"}],
    "enums": [{"name": "Size", "values": [{"value": "SMALL"}, {"value": "LARGE"}]}],
}  # fmt: skip


def action(name: str, **definition: Any) -> dict[str, Any]:
    """One action as metadata has it."""
    roles = definition.pop("roles", ["user", "clerk"])
    return {
        "name": name,
        "definition": {
            "kind": "synchronous", "type": "mutation", "handler": "{{HANDLER}}/do", "output_type": "Order!",
            "arguments": [{"name": "input", "type": "OrderInput!"}], **definition,
        },
        "permissions": [{"role": role} for role in roles],
    }  # fmt: skip


ACTIONS = [
    action("placeOrder", headers=[{"name": "X-Shared", "value_from_env": "SHARED"}, {"name": "X-Fixed", "value": "1"}]),
    action("passOn", forward_client_headers=True, headers=[{"name": "x-fixed", "value": "ours"}]),
    action("quick", timeout=1),
    action("orders", type="query", output_type="[Order]", arguments=[{"name": "ids", "type": "[uuid!]"}]),
    action("later", kind="asynchronous", forward_client_headers=True),
    action("unset", handler="{{NOT_THERE}}/do"),
    action("abroad", handler="http://127.0.0.2:1/do"),
]


def metadata(*actions: dict[str, Any]) -> Metadata:
    """The shop's metadata with actions."""
    document = copy.deepcopy(METADATA) | {"actions": list(actions or ACTIONS), "custom_types": TYPES}
    found, problems = parse_metadata(document)
    assert [str(one) for one in problems] == []
    return found


ORDER = {"id": 1, "reference": "A-1", "amount": 12.5, "size": "SMALL", "lines": [{"sku": "RICE", "count": 2}]}
USER = UUID("00000000-0000-7000-8000-0000000000aa")


@dataclass
class Desk:
    """An engine and its handler."""

    engine: Engine
    handler: Handler
    tenant_id: UUID | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def session(self, role: str, user: str = str(USER)) -> Session:
        """Who asks."""
        variables = {"x-hasura-role": role, "x-hasura-user-id": user}
        return Session(self.tenant_id, None, variables, self.headers)

    async def ask(self, document: str, role: str = "user", *, user: str = str(USER), **variables: Any) -> Any:
        """The data of an answer without errors, every number as it was written."""
        answer = await execute(self.engine, role, self.session(role, user), document, variables)
        assert answer.errors == (), answer.body
        return json.loads(answer.body)["data"]

    async def refused(self, document: str, role: str = "user", **variables: Any) -> dict[str, Any]:
        """The error of an answer without data."""
        answer = await execute(self.engine, role, self.session(role), document, variables)
        assert answer.data is None, answer.body
        [error] = json.loads(answer.body)["errors"]
        found: dict[str, Any] = error
        return found


@asynccontextmanager
async def opened(db: Database, *actions: dict[str, Any]) -> AsyncIterator[Desk]:
    """An engine over a shop that is there already."""
    async with handling() as handler:
        variables = {"HANDLER": handler.base, "SHARED": "a secret"}
        async with calling(handler.base, variables) as calls:
            given = metadata(*actions)
            plugged = Actions(db, given, calls, clock=SystemClock(), vault=the_vault())
            yield Desk(await Engine.open(db, given, plugged=[plugged]), handler)
