"""Actions that are answered later: an id at once, a call in the background, the end of it for who asked."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from omniroute.graphql import Engine, Hub, Session, execute
from omniroute.graphql.actions import ActionRunner, Actions, purge
from omniroute.graphql.calling import Calls
from omniroute.graphql.live.hub import Subscription
from omniroute.infra.postgres import Database
from omniroute.kit.clock import FixedClock, SystemClock
from tests.graphql.actions.desk import ORDER, USER, action, metadata
from tests.graphql.handler import Got, Handler, calling, handling, reply
from tests.graphql.shop import open_shop
from tests.parties.makers import Org, make_organisation
from tests.vaults import the_vault

LATER = "mutation Later($input: OrderInput!) { later(input: $input) }"
STATUS = "query ($id: uuid!) { later(id: $id) { id output { id reference payment { amount } } errors created_at } }"
INPUT = {"reference": "A-1", "amount": 12.5}
ACTION = action("later", kind="asynchronous", forward_client_headers=True, timeout=30)


@pytest.fixture(scope="module")
async def org(owner_db: Database, app_db: Database) -> Org:
    await open_shop(owner_db)
    return await make_organisation(app_db)


@dataclass
class Desk:
    """An engine, a handler and a worker on a clock that is set by hand."""

    engine: Engine
    handler: Handler
    calls: Calls
    worker: Database
    clock: FixedClock
    org: Org

    def session(self, user: UUID = USER, tenant: UUID | None = None, headers: dict[str, str] | None = None) -> Session:
        variables = {"x-hasura-role": "user", "x-hasura-user-id": str(user)}
        return Session(tenant or self.org.id, None, variables, headers or {})

    async def start(self, **headers: str) -> str:
        """Ask; the id."""
        answer = await execute(self.engine, "user", self.session(headers=headers), LATER, {"input": INPUT})
        assert answer.errors == (), answer.body
        return str(json.loads(answer.body)["data"]["later"])

    async def stands(self, action_id: str, session: Session | None = None, role: str = "user") -> Any:
        """What became of a call."""
        answer = await execute(self.engine, role, session or self.session(), STATUS, {"id": action_id})
        assert answer.errors == (), answer.body
        return json.loads(answer.body)["data"]["later"]

    def runner(self, kind: type[ActionRunner] = ActionRunner, **options: Any) -> ActionRunner:
        return kind(self.worker, metadata(ACTION), self.calls, clock=self.clock, vault=the_vault(), **options)

    async def rounds(self, runner: ActionRunner) -> None:
        """All there is to do at this moment of the clock."""
        while await runner.round():
            await runner.idle()


@pytest.fixture
async def desk(org: Org, app_db: Database, worker_db: Database) -> AsyncIterator[Desk]:
    async with handling() as handler, calling(handler.base, {"HANDLER": handler.base}) as calls:
        clock, given = FixedClock(SystemClock().now()), metadata(ACTION)
        actions = Actions(app_db, given, calls, clock=clock, vault=the_vault())
        engine = await Engine.open(app_db, given, plugged=[actions])
        handler.says(200, ORDER)
        yield Desk(engine, handler, calls, worker_db, clock, org)


async def test_a_call_is_made_in_the_background_and_its_end_told(desk: Desk) -> None:
    runner = desk.runner()
    action_id = await desk.start(authorization="Bearer t", host="x")
    assert desk.handler.got == []
    waiting = await desk.stands(action_id)
    assert waiting == {"id": action_id, "output": None, "errors": None, "created_at": desk.clock.now().isoformat()}
    await desk.rounds(runner)
    [got] = desk.handler.got
    assert got.said["action"] == {"name": "later"}
    assert got.said["input"] == {"input": INPUT}
    assert got.said["session_variables"] == {"x-hasura-role": "user", "x-hasura-user-id": str(USER)}
    assert got.said["request_query"] == LATER
    assert (got.headers["authorization"], got.headers["idempotency-key"]) == ("Bearer t", action_id)
    assert "host" in got.headers
    assert got.headers["host"] != "x"
    done = await desk.stands(action_id)
    # The payment is another merchant's: permissions hold here as everywhere.
    assert (done["output"], done["errors"]) == ({"id": 1, "reference": "A-1", "payment": None}, None)
    await desk.rounds(runner)
    assert len(desk.handler.got) == 1


async def test_headers_are_sealed_and_forgotten(desk: Desk, owner_db: Database) -> None:
    action_id = await desk.start(authorization="Bearer very-secret-token")

    async def row() -> tuple[str, bool]:
        async with owner_db.tx() as tx:
            query = b"SELECT a::text, headers_sealed IS NULL FROM omniroute.graphql_action a WHERE action_id = %s"
            cursor = await tx.connection.execute(query, [action_id])
            [found] = await cursor.fetchall()
            return found[0], found[1]

    text, forgotten = await row()
    assert "very-secret" not in text
    assert b"very-secret".hex() not in text
    assert not forgotten
    await desk.rounds(desk.runner())
    assert (await row())[1]


async def test_only_the_requester_sees_it(desk: Desk, app_db: Database) -> None:
    action_id = await desk.start()
    other = await make_organisation(app_db)
    assert await desk.stands(action_id, desk.session(uuid4())) is None
    assert await desk.stands(action_id, desk.session(tenant=other.id)) is None
    assert await desk.stands(str(uuid4())) is None
    assert await desk.stands(action_id, desk.session(uuid4()), "admin") is not None
    refused = await execute(desk.engine, "auditor", desk.session(), STATUS, {"id": action_id})
    assert refused.errors[0].message == "field 'later' not found in type: 'query_root'"
    bare = await execute(desk.engine, "user", Session(), LATER, {"input": INPUT})
    assert bare.errors[0].code == "not-supported"
    await desk.rounds(desk.runner())


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (422, {"message": "too much", "extensions": {"code": "limit"}}, "too much"),
        (500, {"message": "x"}, "internal error"),
        (200, b"?", "not a valid json response from webhook"),
    ],
)
async def test_what_went_wrong_is_told(desk: Desk, status: int, body: Any, message: str) -> None:
    action_id = await desk.start()
    desk.handler.says(status, body)
    runner = desk.runner()
    await desk.rounds(runner)
    desk.clock.at += timedelta(days=1)
    await desk.rounds(runner)
    assert len(desk.handler.got) == 1
    found = await desk.stands(action_id)
    assert found["output"] is None
    assert found["errors"]["message"] == message


async def test_without_an_answer_it_is_not_made_again(desk: Desk) -> None:
    action_id = await desk.start()
    desk.handler.answer = lambda got: None
    runner = desk.runner()
    await desk.rounds(runner)
    desk.clock.at += timedelta(days=1)
    await desk.rounds(runner)
    assert len(desk.handler.got) == 1
    assert (await desk.stands(action_id))["errors"]["message"] == "http exception when calling webhook"


async def test_what_was_never_sent_is_tried_again(desk: Desk) -> None:
    action_id = await desk.start()
    async with calling("http://127.0.0.1:1", {"HANDLER": "http://127.0.0.1:1"}) as nobody:
        away = ActionRunner(desk.worker, metadata(ACTION), nobody, clock=desk.clock, vault=the_vault())
        await desk.rounds(away)
        assert (await desk.stands(action_id))["errors"] is None
        runner = desk.runner()
        assert await runner.round() == 0  # It is not due yet.
        desk.clock.at += timedelta(seconds=5)
        await desk.rounds(runner)
        assert (await desk.stands(action_id))["output"]["id"] == 1
        lost = await desk.start()
        for _ in range(10):
            await desk.rounds(away)
            desk.clock.at += timedelta(hours=1)
        assert (await desk.stands(lost))["errors"]["message"] == "http exception when calling webhook"


class Dying(ActionRunner):
    """A worker whose process is gone before it records anything."""

    async def _record(self, *_: Any) -> None:
        raise SystemError


async def cut_off(desk: Desk, **options: Any) -> tuple[str, ActionRunner]:
    """A call that a worker sent and did not live to record; its id, and the next worker."""
    action_id = await desk.start(authorization="Bearer t")
    dying = desk.runner(Dying, **options)
    await dying.round()
    await dying.idle()
    assert len(desk.handler.got) == 1
    runner = desk.runner(**options)
    await desk.rounds(runner)
    assert len(desk.handler.got) == 1  # The lease still runs.
    desk.clock.at += timedelta(seconds=91)
    await desk.rounds(runner)
    return action_id, runner


async def test_a_worker_that_dies_leaves_an_honest_error(desk: Desk) -> None:
    action_id, _ = await cut_off(desk)
    assert len(desk.handler.got) == 1
    assert (await desk.stands(action_id))["errors"]["message"] == "it is not known whether the handler acted"


async def test_a_handler_that_does_nothing_twice_is_asked_again_under_the_same_key(desk: Desk) -> None:
    action_id, runner = await cut_off(desk, repeatable=["later"])
    first, second = desk.handler.got
    assert (first.body, first.headers["idempotency-key"]) == (second.body, second.headers["idempotency-key"])
    assert second.headers["authorization"] == "Bearer t"
    assert (await desk.stands(action_id))["output"]["id"] == 1
    # It is asked again, too, when it breaks.
    answers = iter([reply(503), reply(502), reply(200, ORDER)])
    desk.handler.got.clear()
    desk.handler.answer = lambda got: next(answers)
    action_id = await desk.start()
    for _ in range(3):
        await desk.rounds(runner)
        desk.clock.at += timedelta(minutes=1)
    assert {got.headers["idempotency-key"] for got in desk.handler.got} == {action_id}
    assert (await desk.stands(action_id))["output"]["id"] == 1


async def test_of_several_workers_one_makes_each_call(desk: Desk) -> None:
    ids = [await desk.start() for _ in range(12)]
    seen: list[str] = []

    def answer(got: Got) -> bytes:
        seen.append(got.headers["idempotency-key"])
        return reply(200, ORDER)

    desk.handler.answer = answer
    runners = [desk.runner(in_flight_max=3) for _ in range(3)]
    found = 1
    while found:
        found = sum([await one.round() for one in runners])
        for one in runners:
            await one.idle()
    assert sorted(seen) == sorted(ids)
    assert {(await desk.stands(one))["output"]["id"] for one in ids} == {1}


async def test_what_was_over_long_ago_is_forgotten(desk: Desk, worker_db: Database) -> None:
    over, runner = await desk.start(), desk.runner()
    await desk.rounds(runner)
    waiting = await desk.start()
    assert await purge(worker_db, before=desk.clock.now()) >= 0
    assert await desk.stands(over) is not None
    assert await purge(worker_db, before=desk.clock.now() + timedelta(days=400)) >= 1
    assert await desk.stands(over) is None
    assert await desk.stands(waiting) is not None
    await desk.rounds(runner)


async def test_who_subscribes_is_told_when_it_is_over(desk: Desk, worker_db: Database) -> None:
    hub, runner = Hub(desk.engine.db, worker_db), desk.runner()
    action_id = await desk.start()
    document = STATUS.replace("query", "subscription")

    def follow(user: UUID) -> tuple[Subscription, asyncio.Event]:
        is_full = asyncio.Event()
        given = (desk.engine, "user", desk.session(user), document, {"id": action_id}, None)
        return hub.follow(*given, lambda _: is_full.set()), is_full

    async def told(subscription: Subscription, is_full: asyncio.Event) -> Any:
        async with asyncio.timeout(60):
            while (result := subscription.box.take()) is None:
                await is_full.wait()
                is_full.clear()
        return json.loads(result.payload)["data"]["later"]

    try:
        mine, theirs = follow(USER), follow(uuid4())
        first = await told(*mine)
        assert (first["id"], first["output"], first["errors"]) == (action_id, None, None)
        assert await told(*theirs) is None
        await desk.rounds(runner)
        second = await told(*mine)
        assert second["output"] == {"id": 1, "reference": "A-1", "payment": None}
        assert theirs[0].box.is_empty
        for one, _ in (mine, theirs):
            hub.leave(one)
        assert hub.tally.subscriptions["live"] == 0
    finally:
        await hub.close()
