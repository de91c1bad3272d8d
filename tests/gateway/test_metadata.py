"""The metadata that come with us: as Hasura wants them, and nothing in them that we do not serve."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from omniroute.graphql import Metadata, check, parse_metadata, product_metadata, read_catalog, read_folder
from omniroute.infra.postgres import Database
from omniroute.parties.access import BUILT_IN
from tests.gateway.promised import SHARED

SCHEMA = SHARED / "specs" / "hasura" / "metadata-schemas" / "HasuraMetadataV2.schema.json"


def schema(noun: str) -> dict[str, Any]:
    """Hasura's own schema of one of its nouns."""
    if not SCHEMA.exists():
        assert os.environ.get("CI") != "true", f"{SCHEMA} is missing"
        pytest.skip("Hasura's metadata schema is not here")
    read: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    # It calls the permissions of an action an object; Hasura reads and writes a list of roles.
    read["definitions"]["Action"]["properties"]["permissions"] = {"type": "array", "items": {"required": ["role"]}}
    return read | {"$ref": f"#/definitions/{noun}"}


def test_they_fit_the_schema_of_hasura() -> None:
    document = read_folder(product_metadata())
    [source] = document["sources"]
    # The schema is that of version 2, which had one source and no list of them.
    as_one = {"version": 2, "tables": source["tables"], "functions": source.get("functions", [])}
    as_one |= {key: value for key, value in document.items() if key not in ("version", "sources")}
    jsonschema.validate(as_one, schema("HasuraMetadataV2"))
    for table in source["tables"]:
        jsonschema.validate(table, schema("TableEntry"))
    broken = json.loads(json.dumps(as_one))
    broken["tables"][0]["select_permissions"][0]["permission"]["columns"] = "all"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema("HasuraMetadataV2"))


async def test_nothing_in_them_is_not_served_or_does_not_fit_the_database(app_db: Database) -> None:
    metadata, found = parse_metadata(read_folder(product_metadata()))
    assert [str(one) for one in check(metadata, found, await read_catalog(app_db, metadata))] == []


def test_files_are_laid_out_as_the_cli_does() -> None:
    root = product_metadata()
    assert (root.parent / "config.yaml").exists()
    tables = root / "databases" / "default" / "tables"
    named = [line.split()[-1].strip('"') for line in (tables / "tables.yaml").read_text().splitlines()]
    assert sorted(named) == named
    assert set(named) == {path.name for path in tables.glob("*.yaml")} - {"tables.yaml"}
    for name in named:
        table = yaml.safe_load((tables / name).read_text(encoding="utf-8"))["table"]
        assert name == f"{table['schema']}_{table['name']}.yaml"


def test_every_row_that_a_role_sees_is_of_its_organisation(metadata: Metadata) -> None:
    for table in metadata.sources[0].tables:
        assert table.select
        for one in table.select:
            assert one.filter["tenant_id"] == {"_eq": "X-Hasura-Tenant-Id"}, (table.name, one.role)
            assert one.limit == 1000


def test_roles_are_those_an_organisation_starts_with(metadata: Metadata) -> None:
    roles = {one.role for table in metadata.sources[0].tables for one in table.select}
    assert roles | metadata.inherited_roles.keys() == BUILT_IN.keys()


READS = {
    "payment_transactions": "payments.read",
    "payment_attempts": "payments.read",
    "bulk_payment_batches": "payments.read",
    "standing_orders": "payments.read",
    "payment_exceptions": "payments.read",
    "approval_requests": "payments.read",
    "bank_connections": "connections.read",
    "bank_statements": "connections.read",
    "ledger_accounts": "ledger.read",
    "ledger_transactions": "ledger.read",
    "reconciliation_exceptions": "reconciliation.read",
    "reconciliation_items": "reconciliation.read",
    "reconciliation_matches": "reconciliation.read",
    "reconciliation_summaries": "reconciliation.read",
    "organisations": "organisation.read",
    "branches": "organisation.read",
    "partners": "partners.read",
    "atc_settlement_batches": "settlements.read",
    "atc_collections": "atc.read",
    "atc_grants": "atc.read",
    "atc_scope_configs": "atc.read",
    "atc_commission_tiers": "atc.read",
    "users": "people.read",
    "virtual_accounts": "collections.read",
    "virtual_account_credits": "collections.read",
    "virtual_account_transactions": "collections.read",
    "webhook_endpoints": "webhooks.read",
    "webhook_deliveries": "webhooks.read",
}


@pytest.mark.parametrize(("table", "permission"), list(READS.items()))
def test_a_role_sees_here_what_it_sees_elsewhere(metadata: Metadata, table: str, permission: str) -> None:
    [tracked] = [one for one in metadata.sources[0].tables if one.name.name == table]
    whole = {one.role for one in tracked.select if len(one.filter) == 1}  # Others see only what is their own.
    inherited = {role for role, parents in metadata.inherited_roles.items() if whole & set(parents)}
    assert whole | inherited == {role for role, (_, held) in BUILT_IN.items() if permission in held}


def test_an_installed_package_finds_them(tmp_path: Path) -> None:
    project = Path(__file__).parents[2]
    wheel = (project / "pyproject.toml").read_text(encoding="utf-8")
    assert '"deploy/hasura" = "omniroute/hasura"' in wheel
    assert product_metadata().is_relative_to(project)
