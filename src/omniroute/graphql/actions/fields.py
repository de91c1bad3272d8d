"""Actions as root fields of the schema."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLArgument, GraphQLField, GraphQLNonNull, GraphQLObjectType

from omniroute.graphql.actions import store
from omniroute.graphql.actions.answers import Shaper, read_reply, unexpected
from omniroute.graphql.actions.calls import ReplyUnfit, call_handler, forwarded, key_of, payload, sendable
from omniroute.graphql.actions.definitions import (
    ActionTypes,
    Relation,
    relations_of,
    roles_of,
    scalar,
    served,
)
from omniroute.graphql.actions.related import fill
from omniroute.graphql.actions.transforms import TransformFailed
from omniroute.graphql.calling import Calls, NotSet
from omniroute.graphql.encoding import encode
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.fields import Field
from omniroute.graphql.metadata.tree import Action, Metadata
from omniroute.graphql.model.roles import RoleView
from omniroute.graphql.plugged import Call, Operation, Types
from omniroute.graphql.schema.building import RoleSchema, build_schema
from omniroute.infra.http import ExchangeFailed
from omniroute.infra.postgres import Database
from omniroute.infra.secrets import Vault
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock

log = logger("omniroute.graphql.actions")

USER = "x-hasura-user-id"


class Actions:
    """The actions of the metadata: root fields whose values come from handlers. One an engine, plugged into it.

    `db` is the doors'. `vault` seals headers that an asynchronous action passes on later; without it none are.
    """

    def __init__(
        self,
        db: Database,
        metadata: Metadata,
        calls: Calls,
        *,
        clock: Clock,
        vault: Vault | None = None,
        stringify_numerics: bool = False,
    ) -> None:
        self._db, self._metadata, self._calls, self._clock = db, metadata, calls, clock
        self._vault, self._stringify = vault, stringify_numerics
        known = served(metadata)
        self._actions: dict[tuple[Operation, str], Action] = {(one.operation, one.name): one for one in known}
        self._roles = {one.name: roles_of(metadata, one) for one in known}
        self._relations: dict[str, dict[str, Relation]] = {
            one.name: {relation.link.name: relation for relation in relations_of(one)}
            for one in metadata.custom_types
            if one.kind == "object"
        }
        self._views: dict[str, RoleView] = {}
        self._schemas: dict[str, RoleSchema] = {}

    def roles(self) -> frozenset[str]:
        """Roles that may use some action."""
        return frozenset[str]().union(*self._roles.values())

    def fields(self, types: Types, role: str, operation: Operation) -> Mapping[str, GraphQLField]:
        """The actions a role may ask for, and the status of those it may start."""
        self._views[role] = types.view
        self._schemas.pop(role, None)
        made, found = ActionTypes(self._metadata, types), {}
        for (kind, name), action in self._actions.items():
            if role not in self._roles[name]:
                continue
            if action.kind == "asynchronous":
                if operation in ("query", "subscription"):
                    found[name] = _status_field(made, types, action)
                elif operation == kind:
                    uuid = GraphQLNonNull(types.once("uuid", scalar))
                    found[name] = GraphQLField(uuid, made.arguments(action), description=action.comment)
            elif operation == kind:
                found[name] = made.field(action)
        return found

    async def answer(self, call: Call) -> str:
        """The field's value as JSON text.

        Raises: RequestRefused.
        """
        name = call.field.name
        action = self._actions.get((call.operation, name))
        if action is None:
            return await self._status(call, self._actions["mutation", name])
        types = call.field.definition.args
        given = {one: sendable(value, types[one].type) for one, value in call.arguments.items()}
        if action.kind == "asynchronous":
            return await self._start(call, action, given)
        return await self._ask(call, action, given)

    async def _ask(self, call: Call, action: Action, given: Mapping[str, Any]) -> str:
        session, key = call.session, None
        if action.operation == "mutation":
            asked_by = (session.tenant_id, session.variables.get(USER), action.name, call.field.response)
            key = key_of(session.headers, *asked_by)
        body = payload(action, given, session.variables, call.document)
        try:
            reply = await call_handler(self._calls, action, body, passed=forwarded(session.headers), key=key)
        except NotSet as missing:
            log.error("an action needs a variable that is not set", action=action.name, variable=str(missing))
            raise RequestRefused("internal error", code="unexpected") from None
        except TransformFailed as failed:
            log.error("the request of an action cannot be transformed", action=action.name, reason=str(failed))
            raise unexpected("Request Transformation Failed") from None
        except ReplyUnfit as failed:
            log.error("the reply of a handler cannot be transformed", action=action.name, reason=str(failed))
            raise unexpected("Response Transformation Failed") from None
        except ExchangeFailed as failure:
            log.warning("a handler gave no answer", action=action.name, sent=failure.sent.value, detail=str(failure))
            raise RequestRefused("http exception when calling webhook", code="unexpected") from None
        if reply.status >= 500:
            log.warning("a handler failed", action=action.name, status=reply.status)
        return await self._shaped(call, call.field, read_reply(reply))

    async def _shaped(self, call: Call, field: Field, value: Any) -> str:
        shaper = Shaper(call.collector, self._relations)
        shaped = shaper.shape(value, field.definition.type, field)
        if shaper.asked:
            schema = self._tables(call.role)
            await fill(self._db, schema, call, shaper.asked.values(), stringify=self._stringify)
        return encode(shaped)

    def _tables(self, role: str) -> RoleSchema:
        """What a role sees of tables; needed for relationships only."""
        if role not in self._schemas:
            self._schemas[role] = build_schema(self._views[role])
        return self._schemas[role]

    # -- asynchronous -----------------------------------------------------------------------------------------------

    async def _start(self, call: Call, action: Action, given: Mapping[str, Any]) -> str:
        session = call.session
        passed = forwarded(session.headers) if action.forward_client_headers else {}
        asked = store.NewRequest(
            action.name, session.variables.get(USER, ""), encode(dict(given)), dict(session.variables), call.document
        )
        if session.tenant_id is None:
            raise RequestRefused("an asynchronous action needs an organisation", code="not-supported")
        async with self._db.tx(session.tenant_id, branches=session.branches) as tx:
            action_id = await store.insert(tx, asked, passed, vault=self._vault, now=self._clock.now())
        return encode(str(action_id))

    async def _status(self, call: Call, action: Action) -> str:
        session, action_id = call.session, store.as_uuid(call.arguments["id"])
        if session.tenant_id is None or action_id is None:
            return "null"
        async with self._db.tx(session.tenant_id, branches=session.branches, readonly=True) as tx:
            asker = None if call.role == "admin" else session.variables.get(USER, "")
            found = await store.find(tx, action_id, action.name, asker)
        if found is None:
            return "null"
        parts: dict[str, Any] = {}
        for one in call.collector.inner(call.field):
            match one.name:
                case "__typename":
                    parts[one.response] = encode(action.name)
                case "id":
                    parts[one.response] = encode(str(found.action_id))
                case "created_at":
                    parts[one.response] = encode(found.created_at.isoformat())
                case "errors":
                    parts[one.response] = found.error or "null"
                case _:
                    value = store.value_of(found)
                    parts[one.response] = "null" if value is None else await self._shaped(call, one, value)
        return "{" + ",".join(f'"{name}":{text}' for name, text in parts.items()) + "}"


def _status_field(made: ActionTypes, types: Types, action: Action) -> GraphQLField:
    def fields() -> dict[str, GraphQLField]:
        output = made.of(action.output_type)
        return {
            "created_at": GraphQLField(GraphQLNonNull(types.once("timestamptz", scalar))),
            "errors": GraphQLField(types.once("json", scalar), description="Why it failed, if it did."),
            "id": GraphQLField(GraphQLNonNull(types.once("uuid", scalar))),
            "output": GraphQLField(output.of_type if isinstance(output, GraphQLNonNull) else output),
        }

    uuid = GraphQLNonNull(types.once("uuid", scalar))
    kind = types.once(action.name, lambda name: GraphQLObjectType(name, fields))
    return GraphQLField(kind, {"id": GraphQLArgument(uuid)}, description="What became of a call of this action.")
