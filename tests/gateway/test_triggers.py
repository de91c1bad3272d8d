"""Event triggers of our tables: each change that the log knows is told, with the row as GraphQL shows it."""

from dataclasses import fields

import pytest

from omniroute.app.gateway_rows import ROWS
from omniroute.graphql import Engine, Metadata, RowEvents
from omniroute.graphql.triggers import Feeder, TriggerCourier, unheard
from omniroute.infra.events import Event
from omniroute.infra.postgres import Database
from tests.api.paying import WALLET, nuban
from tests.gateway.asking import ask
from tests.gateway.desk import CLOCK, account, opened
from tests.gateway.promised import OPERATIONS
from tests.graphql.handler import calling, handling

NOT_OF_THE_ROW = {"payment.exception_opened", "payment.exception_resolved", "connection.float_low"}


def test_no_trigger_waits_for_what_nobody_tells(metadata: Metadata) -> None:
    assert [str(one) for one in unheard(metadata, ROWS)] == []
    tracked = {table.name for table in metadata.sources[0].tables}
    assert {one.table for one in ROWS} <= tracked


@pytest.mark.parametrize("rows", ROWS, ids=lambda one: one.table.name)
def test_events_are_those_of_the_log_and_tell_columns_of_the_view(engine: Engine, rows: RowEvents) -> None:
    known = {topic: event for (topic, _), event in Event.by_topic.items()}
    assert set(rows.types) <= known.keys()
    subject = rows.types[0].rpartition(".")[0]
    of_subject = {one for one in known if one.rpartition(".")[0] == subject} - NOT_OF_THE_ROW
    told = {one for each in ROWS for one in each.types}  # One subject may have several tables.
    assert {one for one in of_subject if not one.startswith("schedule.occurrence_")} <= told
    columns = engine.model.tables[rows.table].relation.columns
    assert rows.known.keys() <= columns.keys()
    for topic in rows.types:
        told = {one.name for one in fields(known[topic])}  # type: ignore[arg-type]  # Events are dataclasses.
        assert set(rows.known.values()) <= told, topic


async def test_a_payment_tells_of_each_change_of_its_status(
    app_db: Database, worker_db: Database, metadata: Metadata
) -> None:
    async with (
        opened(app_db, worker_db, metadata) as desk,
        handling() as receiver,
        calling(receiver.base, {"NOTIFICATION_SERVICE_URL": receiver.base}) as calls,
    ):
        feeder = Feeder(app_db, worker_db, metadata, calls, ROWS, clock=CLOCK)
        courier = TriggerCourier(worker_db, metadata, calls, clock=CLOCK, in_flight_max=5)
        while await feeder.feed():
            pass
        given = {
            "reference": "told", "type": "SUPPLIER_PAYMENT", "amount": "1500.50", "currency": "NGN",
            "sourceAccount": {"accountCode": WALLET}, "destinationAccount": account(nuban(12_345_678)),
        }  # fmt: skip
        who = await desk.session("finance_admin")
        made = await ask(desk.engine, "finance_admin", who, OPERATIONS["InitiatePayment"], input=given)
        await desk.payer.rounds(2)
        await desk.payer.quiet()
        while await feeder.feed():
            pass
        while await courier.deliver():
            await courier.idle()
        await courier.idle()
    assert {one.path for one in receiver.got} == {"/webhooks/payment-status"}
    told = [one.said["event"]["data"] for one in receiver.got]
    assert [(one["old"]["status"], one["new"]["status"]) for one in told][-1][1] == "CONFIRMED"
    assert all(one["old"]["status"] != one["new"]["status"] for one in told)
    for one in told:
        assert (one["new"]["id"], one["new"]["reference"], one["new"]["amount"]) == (
            made["initiatePayment"]["id"], "told", 1500.5,
        )  # fmt: skip
        assert one["new"]["destinationAccount"]["bankCode"] == "000013"
