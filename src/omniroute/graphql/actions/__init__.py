"""Actions: queries and mutations that handlers answer over HTTP, as Hasura calls them.

    synchronous     the handler's answer is the field's value
    asynchronous    created -> processing -> completed | error ; the value is an id, a query by it tells the rest

A handler is called once for each field. What it must not do twice it can know by `Idempotency-Key`.
"""

from omniroute.graphql.actions.definitions import check_actions
from omniroute.graphql.actions.fields import Actions
from omniroute.graphql.actions.running import ActionRunner, purge

__all__ = ["ActionRunner", "Actions", "check_actions", "purge"]
