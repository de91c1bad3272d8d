"""Rows of collections as values."""

from collections.abc import Mapping
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import load
from omniroute.kit.money import Money
from omniroute.money.collections.model import (
    AccountCredit,
    AccountStatus,
    CollectionRules,
    CreditState,
    OwnerType,
    VirtualAccount,
)
from omniroute.ports.rails import Party

SQL = load("omniroute.money.collections")
VIRTUAL_ACCOUNTS = SQL.listing("list_accounts")
CREDITS = SQL.listing("list_credits")
_json = msgspec.json.encode


def jsonb(value: object) -> Jsonb:
    """A value for a jsonb column."""
    return Jsonb(value, dumps=_json)


def rules_written(rules: CollectionRules) -> dict[str, Any]:
    """Rules as they are stored: those there are."""
    written: dict[str, Any] = {
        name: value
        for name, value in (
            ("min_minor", rules.min_minor),
            ("max_minor", rules.max_minor),
            ("exact_minor", rules.exact_minor),
        )
        if value is not None
    }
    return written | ({"single_use": True} if rules.single_use else {})


def rules_of(stored: Mapping[str, Any]) -> CollectionRules:
    """Rules as they were stored."""
    return CollectionRules(
        stored.get("min_minor"),
        stored.get("max_minor"),
        stored.get("exact_minor"),
        bool(stored.get("single_use", False)),
    )


def account_of(row: Any) -> VirtualAccount:
    """A row of `virtual_account`."""
    return VirtualAccount(
        virtual_account_id=row.virtual_account_id,
        reference=row.reference,
        our_ref=row.our_ref,
        connection_id=row.connection_id,
        status=AccountStatus(row.status),
        reason=row.reason,
        owner_id=row.owner_id,
        owner_type=OwnerType(row.owner_type),
        currency=row.currency,
        wanted_name=row.wanted_name,
        wanted_bank=row.wanted_bank,
        customer_name=row.customer_name,
        customer_email=row.customer_email,
        provider_ref=row.provider_ref,
        account_number=row.account_number,
        bank_code=row.bank_code,
        bank_name=row.bank_name,
        account_name=row.account_name or row.wanted_name,
        ledger_account_id=row.ledger_account_id,
        rules=rules_of(row.collection_rules),
        metadata=row.metadata,
        expires_at=row.expires_at,
        requested_by=row.requested_by,
        ask_at=row.ask_at,
        tries=row.tries,
        created_at=row.created_at,
        updated_at=row.updated_at,
        opened_at=row.opened_at,
        ended_at=row.ended_at,
        version=row.version,
    )


def credit_of(row: Any) -> AccountCredit:
    """A row of `virtual_account_credit`."""
    return AccountCredit(
        credit_id=row.credit_id,
        connection_id=row.connection_id,
        provider_credit_id=row.provider_credit_id,
        our_ref=row.our_ref,
        account_number=row.account_number,
        virtual_account_id=row.virtual_account_id,
        amount=Money(row.amount_minor, row.currency),
        fee_minor=row.fee_minor,
        used_minor=row.used_minor,
        payer=None if row.payer is None else msgspec.convert(row.payer, Party),
        session_id=row.session_id,
        narration=row.narration,
        paid_at=row.paid_at,
        received_at=row.received_at,
        transaction_id=row.transaction_id,
        credited_transaction_id=row.credited_transaction_id,
        state=CreditState(row.state),
        reason=row.reason,
        assigned_to=row.assigned_to,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        note=row.note,
        payment_id=row.payment_id,
        updated_at=row.updated_at,
    )
