"""Payments initiated over HTTP: routed, checked, held, stored and told, each under its own key and reference.

Nothing is sent: the worker does that, at the pace of the rails.
"""

import shutil
import sys
import tempfile
from datetime import UTC, datetime

from bench import peer
from bench.http import CONNECTIONS, SECONDS, drive, figures_of, serving
from bench.network import WALLETS, Network
from bench.report import Figure
from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, EmbeddedPostgres
from omniroute.kit.ids import uuid7
from omniroute.ledger import AccountType, OpenAccount
from omniroute.money.payments import needed_accounts

# Each wrk thread numbers its requests; key and reference are made of run, thread and number, so none repeats.
SCRIPT = """
local counter = 0
local threads = 0
function setup(thread) thread:set("id", threads); threads = threads + 1 end
function init(args) run = args[1]; math.randomseed(id * 7919 + 17) end
function request()
  counter = counter + 1
  local name = run .. "-" .. id .. "-" .. counter
  local body = '{"reference":"' .. name .. '","type":"WORKER_PAYOUT","amount":' .. math.random(100, 1000) ..
    ',"currency":"NGN","source":"wallet:' .. math.random(0, WALLETS - 1) .. '","payee":{"kind":"msisdn",' ..
    '"identifier":"0802' .. math.random(1000000, 9999999) .. '","country":"NG"}}'
  return wrk.format("POST", nil, {["authorization"] = "Bearer SECRET", ["content-type"] = "application/json",
    ["idempotency-key"] = name}, body)
end
""".replace("WALLETS", str(WALLETS))


async def prepare(db: Database, network: Network) -> None:
    """A connection to pay over. Nobody opens it here, so it needs no credentials."""
    now, meta = datetime.now(UTC), Meta(actor="bench", channel="bench")
    async with db.tx(network.tenant_id) as tx:
        for account in [OpenAccount("float:airtel", "Float", AccountType.ASSET, "NGN"), *needed_accounts("NGN")]:
            await ledger.open_account(tx, account, now=now, meta=meta)
        await tx.connection.execute(
            "INSERT INTO bank_connection (tenant_id, connection_id, code, name, rail, currency, endpoint, public,"
            " operations, float_account_id, created_at, updated_at) VALUES (%s, %s, 'airtel', 'Airtel', 'airtel',"
            " 'NGN', 'http://127.0.0.1:9', '{\"country\": \"NG\"}', '{payout,query}', %s, %s, %s)",
            [network.tenant_id, uuid7(), ledger.account_id(network.tenant_id, "float:airtel"), now, now],
        )


async def run(server: EmbeddedPostgres, db: Database, network: Network) -> list[Figure]:
    """64 and 512 connections, the peer before and after."""
    wrk = shutil.which("wrk")
    if wrk is None:
        print("SKIPPED: figures of payments need wrk (Debian package wrk)", file=sys.stderr)
        return []
    await prepare(db, network)
    figures: list[Figure] = []
    async with serving(server) as base:
        url = f"{base.url}/v1/{network.slug}/payments"
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(SCRIPT.replace("SECRET", network.secret))
            script.flush()
            await drive(wrk, script.name, url, 32, 3, "warm")
            for connections in CONNECTIONS:
                before = await peer.measure(server)
                text = await drive(wrk, script.name, url, connections, SECONDS, f"c{connections}")
                after = await peer.measure(server)
                figures += figures_of("payments.initiate", connections, text, before, after)
    return figures
