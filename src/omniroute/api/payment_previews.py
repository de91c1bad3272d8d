"""What the organisation's policies would say to a payment, over HTTP: nothing is stored, nothing moves."""

from datetime import date

from omniroute.api.call import Call
from omniroute.api.operations import operation
from omniroute.api.payments_shapes import EXAMPLE_IN, FORM_REFUSALS, InitiateIn, command_in
from omniroute.api.shapes import AmountOut, Instant, Out
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import json_amount
from omniroute.parties.access import Permission


class LimitUseOut(Out):
    """A limit that the payment would take from, in the period that begins on this day."""

    limit: str
    period_from: date
    amount_max: AmountOut | None
    count_max: int | None


class PaymentPreviewOut(Out):
    """What would be decided. `connection_ids`: the ways it may go, the best first; `route`: why, rule by rule."""

    rail: str
    connection_ids: list[str]
    fee: AmountOut
    approvals_needed: int
    expires_at: Instant | None
    limits: list[LimitUseOut]
    route: list[str]


@operation(
    "POST", "/v1/{tenant}/payment-previews", tag="Payment policies", permission=Permission.PAYMENTS_INITIATE,
    body=InitiateIn, reply=PaymentPreviewOut,
    refusals=(*FORM_REFUSALS, "payments.no_route", "payments.limit_exceeded"), example=EXAMPLE_IN,
    example_reply={
        "rail": "nip", "connection_ids": ["con_01jd3m8q4vv8k8x2n0c5t7yh6r"], "fee": 5000, "approvals_needed": 1,
        "expires_at": "2026-11-28T08:00:00Z",
        "limits": [{"limit": "Day", "period_from": "2026-11-21", "amount_max": 500000000, "count_max": None}],
        "route": ["rule Large payments: amount is below 100000000", "can carry it: nip", "fee Payouts: 5000",
                  "approval Salaries: 1"],
    },
)  # fmt: skip
async def preview_payment(call: Call, tx: Tx, body: InitiateIn) -> PaymentPreviewOut:
    """Show where a payment would go, what it would cost, who must agree and which limits it takes from.

    Policies are read as they stand now. What limits have let through, duplicates and balances are not looked at.
    """
    rules = await call.services.payments.rulebooks.read(tx)
    decision = rules.decide(command_in(body), actor=call.caller.subject, now=call.now, today=call.today)
    return PaymentPreviewOut(
        rail=decision.rail,
        connection_ids=[ids.show("con", one) for one in decision.connection_ids],
        fee=json_amount(decision.fee_minor),
        approvals_needed=decision.approvals_needed,
        expires_at=decision.expires_at,
        limits=[
            LimitUseOut(
                limit=use.name,
                period_from=use.bucket,
                amount_max=None if use.amount_max_minor is None else json_amount(use.amount_max_minor),
                count_max=use.count_max,
            )
            for use in decision.limits
        ],
        route=list(decision.explanation),
    )
