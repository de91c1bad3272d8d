"""GraphQL in the running system: the product's own metadata, other metadata, reading it again; and `graphql check`."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets import Subprotocol
from websockets.asyncio.client import connect

from omniroute import api
from tests.app.commands import PATIENCE_S, Running, omniroute, running

SECRET = "an admin secret of the tests"
TABLE = "[{{name: default, kind: postgres, tables: [{{table: {{schema: omniroute, name: {name}}}}}]}}]"


def write(folder: Path, table: str) -> Path:
    """Metadata that track one table."""
    (folder / "databases").mkdir(parents=True, exist_ok=True)
    (folder / "version.yaml").write_text("version: 3\n")
    (folder / "databases" / "databases.yaml").write_text(TABLE.format(name=table))
    return folder


@pytest.fixture(scope="module")
def metadata(folder: Path) -> Path:
    return write(folder / "metadata", "organisation")


@pytest.fixture(scope="module")
def system(folder: Path, metadata: Path) -> Iterator[Running]:
    settings = {"data_dir": str(folder / "data"), "graphql_admin_secret": SECRET, "sandbox_port": "-1"}
    with running(folder, "up", "--port", "0", **settings, graphql_metadata_dir=str(metadata)) as process:
        assert process.url
        yield process


def ask(system: Running, document: str) -> Any:
    """The answer for the administrator."""
    headers = {"x-hasura-admin-secret": SECRET}
    answer = httpx.post(f"{system.url}/v1/graphql", json={"query": document}, headers=headers, timeout=60)
    return answer.json()


ROOTS = "{ __schema { queryType { fields { name } } } }"


def roots(system: Running) -> set[str]:
    """The names of the tables that can be asked for."""
    return {one["name"] for one in ask(system, ROOTS)["data"]["__schema"]["queryType"]["fields"]}


def until(system: Running, line: str, count: int) -> None:
    """Wait until this has been said so often."""
    for _ in range(PATIENCE_S * 50):
        if system.text.count(line) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"never said {line!r} {count} times:\n{system.text}")


def test_the_system_serves_graphql_and_its_page(system: Running) -> None:
    assert "omniroute_organisation" in roots(system)
    page = httpx.get(f"{system.url}/v1/graphiql")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert httpx.get(f"{system.url}/v1/graphql").status_code == 401
    assert httpx.get(f"{system.url}/v1/graphql/nothing").status_code in (401, 404)
    # The REST door is where it was.
    assert httpx.get(f"{system.url}/health").json() == {"status": "ok"}


async def test_subscriptions_share_the_address(system: Running) -> None:
    address = f"{system.url.replace('http', 'ws', 1)}/v1/graphql"
    protocol = Subprotocol("graphql-transport-ws")
    async with asyncio.timeout(60), connect(address, subprotocols=[protocol]) as socket:
        headers = {"x-hasura-admin-secret": SECRET}
        await socket.send(json.dumps({"type": "connection_init", "payload": {"headers": headers}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        query = "subscription { omniroute_organisation { slug } }"
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": query}}))
        got = json.loads(await socket.recv())
        assert (got["type"], list(got["payload"]["data"])) == ("next", ["omniroute_organisation"])


def test_metadata_is_read_again_on_sighup(system: Running, metadata: Path) -> None:
    write(metadata, "branch")
    assert "omniroute_organisation" in roots(system)
    system.process.send_signal(signal.SIGHUP)
    until(system, "the metadata was read again", 1)
    assert "omniroute_branch" in roots(system)
    assert "omniroute_organisation" not in roots(system)
    (metadata / "version.yaml").write_text("version: 1\n")
    system.process.send_signal(signal.SIGHUP)
    until(system, "the metadata was not read again", 1)
    assert "omniroute_branch" in roots(system)


def test_a_process_may_serve_graphql_only(folder: Path, system: Running) -> None:
    with pytest.raises(api.UnknownModule, match=r"nothing cannot be served; there are: .*graphql"):
        api.select("nothing", beside=["graphql"])
    with running(folder, "serve", "--port", "0", "--only", "graphql", data_dir=str(folder / "data")) as process:
        assert httpx.get(f"{process.url}/v1/graphql").status_code == 401
        assert httpx.get(f"{process.url}/v1/x/ledger/accounts").json()["code"] == "api.not_served_here"


def test_metadata_that_cannot_be_read_stop_the_start(folder: Path, system: Running) -> None:
    settings = {"data_dir": str(folder / "data"), "graphql_metadata_dir": str(folder / "nothing")}
    with running(folder, "serve", "--port", "0", **settings) as process:
        assert process.process.wait(PATIENCE_S) == 2
        assert "graphql.metadata_unreadable" in process.text


def test_check_says_that_the_products_own_metadata_are_served(folder: Path, system: Running) -> None:
    done = omniroute("graphql", "check", "--json", data_dir=str(folder / "data"))
    found = json.loads(done.stdout)
    assert (found["problems"], found["compared_with_database"]) == ([], True)
    assert done.returncode == 0


def test_check_names_what_is_wrong_or_not_served(folder: Path, tmp_path: Path, system: Running) -> None:
    write(tmp_path, "nothing")
    (tmp_path / "remote_schemas.yaml").write_text("[{name: other, definition: {url: 'https://other.example'}}]")
    done = omniroute("graphql", "check", str(tmp_path), data_dir=str(folder / "data"))
    assert done.returncode == 2
    assert "wrong       table omniroute.nothing" in done.stdout
    assert "not served  remote_schemas: remote schemas are not served" in done.stdout
    nowhere = omniroute("graphql", "check", str(tmp_path / "nowhere"), data_dir=str(tmp_path))
    assert nowhere.returncode == 2
    assert "graphql.metadata_unreadable" in nowhere.stderr
