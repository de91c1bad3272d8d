"""The promised operations run word for word: right data for each role that may, a refusal for each that may not."""

import os
from uuid import uuid4

import pytest

from omniroute.graphql import Engine, RequestRefused
from omniroute.infra.postgres import Database
from tests.gateway.asking import ask, refusal, session
from tests.gateway.conftest import A1, A2, B1
from tests.gateway.promised import BRIEF, OPERATIONS, READY, ROLES, operations_of_brief


def test_they_are_those_of_the_brief() -> None:
    if not BRIEF.exists():
        assert os.environ.get("CI") != "true", f"{BRIEF} is missing"
        pytest.skip("the brief is not here")
    assert operations_of_brief() == OPERATIONS


def test_each_of_them_is_served() -> None:
    assert READY.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("name", sorted(READY))
def test_what_is_there_is_known_to_those_who_may(engine: Engine, name: str) -> None:
    for role in ROLES:
        if role in READY[name]:
            engine.prepare(role, OPERATIONS[name], name)
        else:
            with pytest.raises(
                RequestRefused,
                match=r"field '\w+' not found in type: '(query|mutation|subscription)_root'|no mutations exist",
            ):
                engine.prepare(role, OPERATIONS[name], name)


@pytest.mark.parametrize("role", sorted(READY["GetPaymentStatus"]))
async def test_the_status_of_a_payment(engine: Engine, role: str) -> None:
    document = OPERATIONS["GetPaymentStatus"]
    assert await ask(engine, role, session(A1, role), document, reference=A1.mark) == {
        "payment_transactions": [
            {
                "id": str(A1.id("payment")),
                "reference": A1.mark,
                "status": "SENT_TO_BANK",
                "amount": 1500.50,
                "currency": "NGN",
                "statusHistory": [
                    {
                        "status": "PROCESSING",
                        "timestamp": "2026-03-02T23:30:00+00:00",
                        "details": {"state": "executing/created", "source": "worker", "actor": f"worker:{A1.mark}"},
                    }
                ],
                "bankResponse": {
                    "state": "pending", "code": "09", "message": "in progress", "reference": f"their-{A1.mark}",
                    "ourReference": f"our-{A1.mark}",
                },
            }
        ]
    }  # fmt: skip
    others = [B1] if role != "user" else [B1, A2]  # A user sees the payments that are their own.
    for other in others:
        assert await ask(engine, role, session(A1, role), document, reference=other.mark) == {
            "payment_transactions": []
        }
    branch = session(A1, role, branches=(A2.branch_id,))
    assert await ask(engine, role, branch, document, reference=A1.mark) == {"payment_transactions": []}
    if role == "user":
        stranger = session(A1, role, user=uuid4())
        assert await ask(engine, role, stranger, document, reference=A1.mark) == {"payment_transactions": []}


@pytest.mark.parametrize("role", sorted(set(ROLES) - READY["GetPaymentStatus"]))
async def test_the_status_of_a_payment_is_not_told(engine: Engine, role: str) -> None:
    refused = await refusal(engine, role, session(A1, role), OPERATIONS["GetPaymentStatus"], reference=A1.mark)
    assert refused == ("field 'payment_transactions' not found in type: 'query_root'", "validation-failed")


async def test_fields_are_those_of_the_brief(engine: Engine) -> None:
    document = """{
        payment_transactions(where: {status: {_eq: "SENT_TO_BANK"}, reference: {_eq: "alpha-1"}}) {
            type direction rail sourceAccount destinationAccount amount amountMinor fee initiatedBy approvedBy narration
            metadata externalReference createdAt completedAt batch { reference payments { reference } }
            connection { bankName connectionType } standingOrder { reference amount currency }
        }
        bulk_payment_batches(where: {reference: {_eq: "alpha-1"}}) {
            name totalAmount totalCount successfulCount failedCount status initiatedBy
            lines { amount destinationAccount }
        }
        bank_connections(where: {code: {_eq: "alpha-1"}}) {
            bankCode bankName connectionType apiEndpoint status lastHealthCheck supportedOperations rateLimits
        }
        bank_statements(where: {connection: {code: {_eq: "alpha-1"}}}) {
            accountId statementDate openingBalance closingBalance totalCredits totalDebits reconciliationStatus
            entries { type amount payment { reference } }
        }
        ledger_accounts(where: {code: {_eq: "alpha-1"}}) { type normalSide balance available balanceMinor entries {
            side amount transaction { kind reference } } }
        payment_transactions_aggregate { aggregate { count sum { amount amount_minor } } }
    }"""
    answer = await ask(engine, "finance_admin", session(A1, "finance_admin"), document)
    assert answer == {
        "payment_transactions": [
            {
                "type": "SUPPLIER_PAYMENT", "direction": "OUTBOUND", "rail": "NIBSS_NIP",
                "sourceAccount": {"accountCode": A1.mark, "accountId": str(A1.id("account"))},
                "destinationAccount": {"accountNumber": "0123456785", "bankCode": "000013",
                                       "accountName": "Amina Bello", "country": "NG"},
                "amount": 1500.50, "amountMinor": 150050, "fee": 25.50, "initiatedBy": str(A1.id("maker")),
                "approvedBy": str(A1.id("checker")), "narration": "March", "metadata": {"order": "7"},
                "externalReference": f"their-{A1.mark}", "createdAt": "2026-03-02T23:30:00+00:00", "completedAt": None,
                "batch": {"reference": A1.mark, "payments": [{"reference": A1.mark}]},
                "connection": {"bankName": A1.mark, "connectionType": "NIBSS_NIP"},
                "standingOrder": {"reference": A1.mark, "amount": 5000, "currency": "UGX"},
            }
        ],
        "bulk_payment_batches": [
            {
                "name": A1.mark, "totalAmount": 6002.00, "totalCount": 4, "successfulCount": 1, "failedCount": 2,
                "status": "RUNNING", "initiatedBy": str(A1.id("maker")),
                "lines": [{"amount": 1500.50, "destinationAccount": {"phone": "2348012345678", "provider": "MTN"}}],
            }
        ],
        "bank_connections": [
            {
                "bankCode": "000013", "bankName": A1.mark, "connectionType": "NIBSS_NIP",
                "apiEndpoint": "https://bank.example", "status": "ACTIVE", "lastHealthCheck": None,
                "supportedOperations": ["payout", "statement"], "rateLimits": {},
            }
        ],
        "bank_statements": [
            {
                "accountId": str(A1.id("float")), "statementDate": "2026-03-03", "openingBalance": None,
                "closingBalance": None, "totalCredits": 0, "totalDebits": 1500.50, "reconciliationStatus": "MATCHED",
                "entries": [{"type": "DEBIT", "amount": 1500.50, "payment": {"reference": A1.mark}}],
            }
        ],
        "ledger_accounts": [
            {
                "type": "LIABILITY", "normalSide": "CREDIT", "balance": 1000.00, "available": 999.75,
                "balanceMinor": 100000,
                "entries": [
                    {"side": "DEBIT", "amount": 1.00, "transaction": {"kind": "POSTING", "reference": A1.mark}},
                    {"side": "CREDIT", "amount": 1.00, "transaction": {"kind": "POSTING", "reference": A1.mark}},
                ],
            }
        ],
        "payment_transactions_aggregate": {
            "aggregate": {"count": 2, "sum": {"amount": 3001.00, "amount_minor": 300100}}
        },
    }  # fmt: skip


async def test_amounts_keep_every_digit(engine: Engine) -> None:
    texts = Engine(engine.db, engine.metadata, engine.model.catalog, stringify_numerics=True)
    document = '{ payment_transactions(where: {reference: {_eq: "alpha-1"}}) { amount amountMinor fee } }'
    answer = await ask(texts, "auditor", session(A1, "auditor"), document)
    assert answer == {"payment_transactions": [{"amount": "1500.50", "amountMinor": "150050", "fee": "25.50"}]}


@pytest.mark.parametrize("value", ["CONFIRMED", '"CONFIRMED"'])
async def test_values_of_enumerations_are_written_with_and_without_quotes(engine: Engine, value: str) -> None:
    document = f"{{ payment_transactions(where: {{status: {{_neq: {value}}}}}) {{ reference }} }}"
    answer = await ask(engine, "auditor", session(A1, "auditor"), document)
    assert len(answer["payment_transactions"]) == 2
    document = '{ payment_transactions(where: {status: {_eq: "GONE"}}) { id } }'
    assert (await refusal(engine, "auditor", session(A1, "auditor"), document))[1] == "data-exception"


SECRETS_SHOWN_TO = """
SELECT t.c FROM unnest(ARRAY['bank_connection.sealed', 'bank_connection.public', 'person.password_hash',
                             'webhook_secret.sealed']) AS t (c)
 WHERE has_column_privilege(%s, ('omniroute.' || split_part(t.c, '.', 1))::regclass, split_part(t.c, '.', 2), 'SELECT')
"""


async def test_a_database_role_of_ones_own_sees_the_views_and_no_table(
    engine: Engine, owner_db: Database, database_url: str
) -> None:
    name = f"engine_{uuid4().hex[:12]}"
    admin = await Database.open(database_url)
    try:
        async with admin.connection() as connection:
            await connection.execute(f"CREATE ROLE {name}".encode())
        async with owner_db.tx() as tx:
            for _ in range(2):  # Again after an upgrade.
                await tx.connection.execute("SELECT omniroute.gateway_admit(%s)", [name])
        theirs = await Database.open(database_url, role=name)
        try:
            bare = Engine(theirs, engine.metadata, engine.model.catalog)
            for table in engine.model.tables:
                [counted] = (
                    await ask(
                        bare, "admin", session(A1, "admin"), f"{{ {table.name}_aggregate {{ aggregate {{ count }} }} }}"
                    )
                ).values()
                assert counted["aggregate"]["count"] > (1 if table.name != "organisations" else 0), table
            document = OPERATIONS["GetPaymentStatus"]
            found = await ask(bare, "finance_admin", session(A1, "finance_admin"), document, reference=A2.mark)
            assert len(found["payment_transactions"]) == 1
        finally:
            await theirs.close()
        async with owner_db.tx() as tx:
            cursor = await tx.connection.execute(SECRETS_SHOWN_TO, [name])
            assert await cursor.fetchall() == []
        async with admin.connection() as connection:
            await connection.execute(f"DROP OWNED BY {name}".encode())
            await connection.execute(f"DROP ROLE {name}".encode())
    finally:
        await admin.close()
