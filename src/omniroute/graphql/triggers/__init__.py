"""Event triggers and cron triggers: receivers are told over HTTP what changed, and what time it is, as Hasura does.

    event log --Feeder--> graphql_delivery --TriggerCourier--> the receiver
    schedule  --CronPlanner--> graphql_cron_tick --TriggerCourier--> the receiver

    delivery   pending -> delivered | failed (the retries are over) ; delivered again by hand: -> pending

At least once, in the order of each subject; `id` is the same in every attempt.
"""

from omniroute.graphql.triggers.courier import TriggerCourier
from omniroute.graphql.triggers.cron import CronPlanner
from omniroute.graphql.triggers.definitions import RowEvents, check_triggers, missing, unheard
from omniroute.graphql.triggers.feeding import CONSUMER, Feeder
from omniroute.graphql.triggers.store import (
    DeadLetter,
    DeliveryNotFound,
    TriggerNotFound,
    dead_letters,
    invoke,
    purge,
    redeliver,
    redeliver_all,
)

__all__ = [
    "CONSUMER",
    "CronPlanner",
    "DeadLetter",
    "DeliveryNotFound",
    "Feeder",
    "RowEvents",
    "TriggerCourier",
    "TriggerNotFound",
    "check_triggers",
    "dead_letters",
    "invoke",
    "missing",
    "purge",
    "redeliver",
    "redeliver_all",
    "unheard",
]
