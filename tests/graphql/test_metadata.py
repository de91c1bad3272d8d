"""Reading metadata: the CLI's folders, Hasura's own export samples, and what `check` names."""

import json
import os
from pathlib import Path

import pytest

from omniroute.graphql import Engine, MetadataUnreadable, check, load_metadata, parse_metadata, read_folder
from omniroute.graphql.model.catalog import Catalog
from omniroute.infra.postgres import Database
from tests.graphql.shop import METADATA, metadata, open_shop

SAMPLES = Path(os.environ.get("OMNIROUTE_SPECS", Path(__file__).parents[3] / "shared" / "specs")) / "hasura"


def test_the_export_samples_of_hasura_are_read() -> None:
    if not SAMPLES.exists():
        assert os.environ.get("CI") != "true", f"{SAMPLES} is missing"
        pytest.skip("Hasura's samples are not here")
    found = {}
    for path in sorted((SAMPLES / "metadata-samples").glob("*.json")):
        read, problems = parse_metadata(json.loads(path.read_text()) or {})
        found[path.name] = (read, [str(one) for one in problems])
    assert len(found) > 20
    sources, named = found["sources-export_test-t1-metadata.json"]
    assert sources.sources[0].tables[0].event_triggers[0].name == "artists"
    assert "metadata source default: native queries are not served" in named
    actions, _ = found["actions-export-t1-metadata.json"]
    assert (actions.actions[0].name, actions.actions[0].timeout_s) == ("foo", 10)
    assert [one.name for one in actions.custom_types] == ["fooInput", "fooOutput"]
    limits, _ = found["api_limits-export_test-metadata.json"]
    assert (limits.depth_limit.of("user", 9), limits.depth_limit.of("other", 9)) == (2, 5)
    assert found["inherited_roles-export_test-t1-metadata.json"][0].inherited_roles == {
        "combined_user": ("user", "user1")
    }


def write(folder: Path, **files: str) -> Path:
    for name, text in ({"version": "version: 3\n"} | files).items():
        path = folder / (name.replace("__", "/") + (".graphql" if name == "sdl" else ".yaml"))
        path = folder / "actions.graphql" if name == "sdl" else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_folder_of_the_cli_is_joined(tmp_path: Path) -> None:
    write(
        tmp_path,
        databases__databases="- name: default\n  kind: postgres\n  tables: '!include default/tables/tables.yaml'\n",
        databases__default__tables__tables="- '!include shop_payment.yaml'\n- !include shop_merchant.yaml\n",
        databases__default__tables__shop_payment="table: {schema: shop, name: payment}\n",
        databases__default__tables__shop_merchant="table: {schema: shop, name: merchant}\n",
        actions="actions:\n- name: pay\n  definition: {kind: synchronous, handler: 'https://x.example'}\n",
        sdl="type Mutation { pay(input: PayIn!): PayOut } input PayIn { amount: Int! } type PayOut { id: uuid! }",
    )
    read = load_metadata(tmp_path)
    assert [str(table.name) for table in read.sources[0].tables] == ["shop.payment", "shop.merchant"]
    [action] = read.actions
    assert (action.operation, action.output_type, action.arguments[0].type) == ("mutation", "PayOut", "PayIn!")
    assert check(read) == ()


@pytest.mark.parametrize("target", ["../../secret.yaml", "loop.yaml", "none.yaml"])
def test_an_include_that_leads_nowhere_good_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "secret.yaml").write_text("- 1\n")
    write(tmp_path / "m", inherited_roles=f"!include {target}\n", loop="!include loop.yaml\n")
    with pytest.raises(MetadataUnreadable):
        read_folder(tmp_path / "m")


async def test_check_names_what_does_not_fit_and_what_is_not_served(owner_db: Database, app_db: Database) -> None:
    await open_shop(owner_db)
    engine = await Engine.open(app_db, metadata())
    assert [str(one) for one in check(metadata(), catalog=engine.model.catalog)] == []
    assert "does not exist in the database" in str(check(metadata(), catalog=Catalog({}, {}))[0])

    document = json.loads(json.dumps(METADATA))
    table = document["sources"][0]["tables"][1]
    table["insert_permissions"] = [{"role": "user", "permission": {"check": {}, "columns": ["no"], "set": {"x": 1}}}]
    table["update_permissions"] = [
        {"role": "clerk", "permission": {"check": {"nope": 1}, "columns": ["fee"], "filter": {}}},
        {"role": "rails", "permission": {"check": {}, "columns": ["fee", "tries"], "filter": {}}},
    ]
    table["select_permissions"][0]["permission"]["filter"] = {"nope": {"_eq": 1}}
    table["mystery"] = 1
    read, found = parse_metadata(document)
    named = [str(one) for one in check(read, found, engine.model.catalog)]
    assert named == [
        "metadata source default table shop.payment: mystery is not known",
        "table shop.payment select permission of user: no row passes: "
        "nope is not a column or relationship of shop.payment",
        "table shop.payment insert permission of user: names columns that do not exist: no, x",
        "table shop.payment update permission of clerk: no row passes: "
        "nope is not a column or relationship of shop.payment",
        "table shop.payment update permission of both: the roles it inherits from differ; "
        "it has none until one is written for it",
    ]


def test_fractions_keep_their_digits(tmp_path: Path) -> None:
    permission = "permission: {columns: '*', filter: {n: {_lt: 0.12345678901234567890}}}"
    write(
        tmp_path,
        databases__databases="- name: default\n  kind: postgres\n  tables: !include tables.yaml\n",
        databases__tables=f"- table: {{schema: a, name: b}}\n  select_permissions: [{{role: r, {permission}}}]\n",
    )
    [table] = load_metadata(tmp_path).sources[0].tables
    assert str(table.select[0].filter["n"]["_lt"]) == "0.12345678901234567890"
