"""`python -m bench [part ...]`: parts are posting, http, payments, batches, graphql, reconcile, memory; all when none
is named.

`python -m bench page` writes docs/benchmarks.md from the last results.
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from psycopg import AsyncConnection

from bench import batches, graphql_lists, graphql_live, http, memory, payments, peer, posting, reconcile, report
from bench.network import make_network
from omniroute.infra.postgres import Database, EmbeddedPostgres, PoolLimits, migrate

PARTS = ("posting", "http", "payments", "batches", "graphql", "reconcile", "memory")
LOG_FILES = 160  # Of 16 MB: what the postings below write, and not more than the server keeps.


def _open_folder() -> Path:
    """A new folder that the server's own user can pass."""
    folder = Path(tempfile.mkdtemp(prefix="omniroute-bench-"))
    folder.chmod(0o711)
    return folder


async def _settle(server: EmbeddedPostgres) -> None:
    """Give the server the log files of one that has run for a while: they are used again and again, but the first time
    each has to be filled with zeroes. Before any table is made, so that nobody pays for the checkpoint."""
    async with await AsyncConnection.connect(server.url("postgres", "postgres"), autocommit=True) as admin:
        for _ in range(LOG_FILES):
            await admin.execute("SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()")
        await admin.execute("CHECKPOINT")


async def main(parts: tuple[str, ...]) -> None:
    """Measure, save, show."""
    folder = _open_folder()
    figures: list[report.Figure] = []
    try:
        async with EmbeddedPostgres(folder / "postgres") as server:
            await _settle(server)
            await migrate(server.url("omniroute_owner"))
            await peer.prepare(server)
            limits = PoolLimits(size_max=16, statement_timeout_ms=120_000)
            db = await Database.open(server.url("omniroute_app"), role="omniroute_app", limits=limits)
            try:
                network = await make_network(db)
                if "posting" in parts:
                    figures += await posting.run(server, db, network)
                if "http" in parts:
                    figures += await http.run(server, network)
                if "payments" in parts:
                    figures += await payments.run(server, db, network)
                if "batches" in parts:
                    figures += await batches.run(server, db, network)
                if "graphql" in parts:
                    figures += await graphql_lists.run(server, db, network)
                    figures += await graphql_live.run(server, db, network)
                if "reconcile" in parts:
                    figures += await reconcile.run(server, db, network)
                if "memory" in parts:
                    figures += await memory.run(server, db, network)
            finally:
                await db.close()
    finally:
        shutil.rmtree(folder)
        path = report.save(figures)  # What was measured is kept, whatever came after it.
    report.show(figures)
    print(f"written: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


if __name__ == "__main__":
    chosen = tuple(sys.argv[1:]) or PARTS
    if chosen == ("page",):
        (Path(__file__).parents[1] / "docs" / "benchmarks.md").write_text(report.page())
        sys.exit()
    unknown = set(chosen) - set(PARTS)
    if unknown:
        sys.exit(f"unknown part {sorted(unknown)[0]}; there are: {', '.join(PARTS)}")
    asyncio.run(main(chosen))
