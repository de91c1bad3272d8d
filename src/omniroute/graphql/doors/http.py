"""GraphQL over HTTP: POST, GET for queries, batches, and explain; with Hasura's answers."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from graphql import DocumentNode
from prometheus_client import CollectorRegistry

from omniroute.graphql.doors.admission import Admitted
from omniroute.graphql.doors.asgi import Receive, Reply, Scope, Send, address_of, headers_of, read_body, send_reply
from omniroute.graphql.doors.errors import AccessDenied, HttpRefused
from omniroute.graphql.doors.metrics import OperationTally
from omniroute.graphql.doors.negotiation import JSON, check_content_type, content_type, media_type, status_of
from omniroute.graphql.doors.requests import Asked, asked_in, read_get, read_json, read_post
from omniroute.graphql.doors.visitors import ADMIN, Gate, admin_as
from omniroute.graphql.errors import RequestRefused
from omniroute.graphql.executing import Answer, execute
from omniroute.graphql.explaining import explain
from omniroute.infra.postgres import DatabaseUnavailable, StatementTimeout, WriteConflict

Handler = Callable[[Scope, Mapping[str, str], Receive, str], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Bounds of the door itself; those of documents are the engine's."""

    body_bytes_max: int = 1_048_576


class HttpDoor:
    """Answers GraphQL requests over HTTP. It opens nothing and closes nothing."""

    def __init__(
        self,
        gate: Gate,
        *,
        limits: DoorLimits | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self.gate = gate
        self.serving = gate.serving
        self.limits = limits or DoorLimits()
        self.tally = OperationTally()
        if registry is not None:
            registry.register(self.tally)

    async def graphql(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/v1/graphql`."""
        await send_reply(send, await self._work(scope, receive, {"GET": self._get, "POST": self._post}))

    async def explain(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/v1/graphql/explain`."""
        await send_reply(send, await self._work(scope, receive, {"POST": self._explain}))

    async def _work(self, scope: Scope, receive: Receive, handlers: Mapping[str, Handler]) -> Reply:
        kind, headers = JSON, headers_of(scope)
        try:
            handler = handlers.get(scope["method"])
            if handler is None:
                allowed = ", ".join(sorted(handlers))
                raise HttpRefused(405, f"{allowed} only", code="method-not-allowed", headers=(("allow", allowed),))
            kind = media_type(headers.get("accept"))
            return await handler(scope, headers, receive, kind)
        except HttpRefused as error:
            return Reply(error.status, Answer(None, (error,)).body, content_type(kind), error.headers)
        except RequestRefused as error:
            answer = Answer(None, (error,))
            return Reply(status_of(answer, kind), answer.body, content_type(kind))
        except (DatabaseUnavailable, StatementTimeout, WriteConflict):
            away = Answer(None, (RequestRefused("the database cannot be asked at present", code="unexpected"),))
            return Reply(503, away.body, content_type(kind), (("retry-after", "1"),))

    async def _get(self, scope: Scope, headers: Mapping[str, str], receive: Receive, kind: str) -> Reply:
        visitor = await self.gate.admit(headers)
        asked = read_get(scope["query_string"])
        operation, parsed = self.serving.engine.look_at(
            visitor.role, asked.document, asked.operation_name, is_backend=visitor.session.is_backend
        )
        if operation != "query":
            raise HttpRefused(405, f"a {operation} must be sent by POST", code="not-supported", headers=_POST_ONLY)
        answer = await self._answer(visitor, asked, address_of(scope), parsed)
        return Reply(status_of(answer, kind), answer.body, content_type(kind))

    async def _post(self, scope: Scope, headers: Mapping[str, str], receive: Receive, kind: str) -> Reply:
        visitor = await self.gate.admit(headers)
        check_content_type(headers.get("content-type"))
        body = await read_body(receive, headers, self.limits.body_bytes_max)
        engine = self.serving.engine
        asked = read_post(body, engine.metadata.batch_limit.of(visitor.role, engine.limits.batch))
        address = address_of(scope)
        if isinstance(asked, Asked):
            answer = await self._answer(visitor, asked, address)
            return Reply(status_of(answer, kind), answer.body, content_type(kind))
        # One after the other, as Hasura does: a batch is not a way to take all connections at once.
        answers = [(await self._answer(visitor, one, address)).body for one in asked]
        return Reply(200, b"[" + b",".join(answers) + b"]", content_type(kind))

    async def _answer(
        self, visitor: Admitted, asked: Asked, address: str, parsed: DocumentNode | None = None
    ) -> Answer:
        """The answer to one operation, counted. `parsed`: the document, if it has been.

        Raises: DatabaseUnavailable.
        """
        started, serving = time.perf_counter(), self.serving
        engine, kind = serving.engine, "unknown"
        try:
            serving.rates.check(engine.metadata.rate_limit, visitor, address)
            backend = visitor.session.is_backend
            prepared = await engine.prepared(
                visitor.role, asked.document, asked.operation_name, is_backend=backend, parsed=parsed
            )
            kind = prepared.operation.operation.value
            if kind == "subscription":
                raise RequestRefused("subscriptions are not supported over HTTP, use websockets instead")
            if serving.allow_list is not None and not visitor.is_admin:
                serving.allow_list.check(visitor.role, asked.document)
            answer = await execute(
                engine, visitor.role, visitor.session, asked.document, asked.variables, asked.operation_name
            )
        except RequestRefused as error:
            answer = Answer(None, (error,))
        code = answer.errors[0].code if answer.errors else "ok"
        self.tally.record(asked.operation_name, kind, code, time.perf_counter() - started)
        return answer

    async def _explain(self, scope: Scope, headers: Mapping[str, str], receive: Receive, kind: str) -> Reply:
        visitor = await self.gate.admit(headers)
        if not visitor.is_admin or visitor.role != ADMIN:
            # A plan tells how many rows there are of everybody.
            raise AccessDenied("restricted access : admin only", status=403)
        check_content_type(headers.get("content-type"))
        value = read_json(await read_body(receive, headers, self.limits.body_bytes_max))
        user = value.get("user") if isinstance(value, Mapping) else None
        if isinstance(user, Mapping) and all(isinstance(text, str) for text in user.values()):
            visitor = admin_as(user)
        # Hasura wraps the request once more; both forms are taken.
        wrapped = isinstance(value, Mapping) and isinstance(value.get("query"), Mapping)
        asked = asked_in(value["query"] if wrapped else value)
        found = await explain(
            self.serving.engine, visitor.role, visitor.session, asked.document, asked.variables, asked.operation_name
        )
        return Reply(200, json.dumps([one.shown() for one in found]).encode(), content_type(JSON))


_POST_ONLY = (("allow", "POST"),)
