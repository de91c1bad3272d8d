"""Monnify beside account numbers and credits: its balance, its states, what it does not do, and its secrets."""

import pytest

from omniroute.infra.http import Reply
from omniroute.kit.money import Money
from omniroute.ports.rails import (
    CodeClass,
    Operation,
    Outcome,
    RailAnswerUnreadable,
    RailUnable,
)
from tests.connectors.monnify.stage import (
    ACCOUNT,
    API_KEY,
    BALANCE,
    CREDIT_ID,
    NOTIFIED,
    NOW_ID,
    OPEN,
    PAID,
    PUBLIC,
    RAIL,
    SECRET_KEY,
    STATUS,
    WANTED,
    good,
    read,
    scripted,
)
from tests.connectors.outside import NOW, json_reply, make_payout


async def test_the_wallets_balance_is_read_exactly_or_not_at_all() -> None:
    reply = Reply(
        200, {}, b'{"requestSuccessful": true, "responseCode": "0", "responseBody":'
        b' {"availableBalance": 24500.55, "ledgerBalance": 25000.00}}',
    )  # fmt: skip
    http, context = scripted({BALANCE: reply})
    assert [(one.kind, one.amount) for one in await RAIL.fetch_balances(context)] == [
        ("available", Money(2_450_055, "NGN")), ("ledger", Money(2_500_000, "NGN")),
    ]  # fmt: skip
    assert http.requests[-1].url.endswith("?accountNumber=8016472829")
    for unclear in (json_reply(500), good({}), good({"availableBalance": "x"})):
        http.script[BALANCE] = unclear
        with pytest.raises(RailAnswerUnreadable):
            await RAIL.fetch_balances(context)
    http, context = scripted({}, wallet_account="")
    assert await RAIL.fetch_balances(context) == []
    assert [request.operation for request in http.requests] == ["monnify.token"]


async def test_what_it_does_not_do_is_refused() -> None:
    http, context = scripted({})
    payout = make_payout("x", Money(100, "NGN"), "2348031234567")
    with pytest.raises(RailUnable):
        RAIL.check(payout)
    for doing in (
        RAIL.submit(context, payout), RAIL.query(context, payout, None), RAIL.reverse(context, payout, "1", "x"),
        RAIL.resolve_party(context, payout.payee, our_ref="x"), RAIL.list_institutions(context),
    ):  # fmt: skip
        with pytest.raises(RailUnable):
            await doing
    with pytest.raises(RailUnable):
        RAIL.build_reference({}, NOW_ID, NOW)
    assert RAIL.build_reference(PUBLIC, NOW_ID, NOW) == NOW_ID.hex
    assert http.requests == []
    can = RAIL.capabilities()
    assert can.operations == {Operation.VIRTUAL_ACCOUNTS, Operation.BALANCE, Operation.STATEMENT}
    assert (set(can.currencies), set(can.countries), set(can.payee_kinds)) == ({"NGN"}, {"NG"}, set())


@pytest.mark.parametrize("code", [None, "", "no-such-state", "paid", "PAID ", "0", "null"])
def test_a_state_nobody_listed_is_unknown_in_every_phase(code: str | None) -> None:
    assert {"submit", "query", "callback"} == set(RAIL.codes())
    for table in RAIL.codes().values():
        assert (table.find(code).outcome, table.find(code).code_class) == (Outcome.UNKNOWN, CodeClass.UNKNOWN)
        for entry in table.entries.values():
            assert entry.operator.endswith(".")
            assert entry.customer.endswith(".")


async def test_no_secret_and_no_name_is_in_evidence() -> None:
    http, context = scripted({OPEN: good(ACCOUNT), STATUS: good(PAID)})
    await RAIL.open_account(context, WANTED)
    await RAIL.find_credit(context, CREDIT_ID)
    [event] = read(NOTIFIED)
    shown = repr([*http.requests, event.result, context.credentials])
    for secret in (API_KEY, SECRET_KEY, "TOKEN-OF-THE-RAIL", "21212121212", "Emeka", "0065432190", "nkechi@"):
        assert secret not in shown
    for request in http.requests:
        assert {"authorization", "bvn", "nin", "accessToken"} <= request.secrets
