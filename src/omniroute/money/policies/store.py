"""Rows of policies as values, and values as rows."""

from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from omniroute.infra.postgres import load
from omniroute.money.policies.model import RULES, Action, Change, ChangeStatus, Draft, Policy, PolicyKind, Rule, When

SQL = load("omniroute.money.policies")
POLICIES = SQL.listing("list_policies")
CHANGES = SQL.listing("list_changes")
_json = msgspec.json.Encoder(order="deterministic").encode


def jsonb(value: object) -> Jsonb:
    """A value for a jsonb column; sets in order."""
    return Jsonb(value, dumps=_json)


def policy_of(row: Any) -> Policy:
    """A row of `payment_policy`."""
    kind = PolicyKind(row.kind)
    return Policy(
        policy_id=row.policy_id,
        kind=kind,
        name=row.name,
        position=row.position,
        when=msgspec.convert(row.applies_when, When),
        rule=_rule(kind, row.rule),
        status=row.status,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def change_of(row: Any) -> Change:
    """A row of `payment_policy_change`."""
    kind = PolicyKind(row.kind)
    return Change(
        change_id=row.change_id,
        policy_id=row.policy_id,
        kind=kind,
        action=Action(row.action),
        policy_version=row.policy_version,
        draft=None if row.draft is None else _draft(kind, row.draft),
        status=ChangeStatus(row.status),
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        comment=row.comment,
        version=row.version,
    )


def _draft(kind: PolicyKind, data: Any) -> Draft:
    when = msgspec.convert(data["when"], When)
    return Draft(kind, data["name"], data["position"], when, _rule(kind, data["rule"]))


def _rule(kind: PolicyKind, data: Any) -> Rule:
    rule: Rule = msgspec.convert(data, RULES[kind])
    return rule
