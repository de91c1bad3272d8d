"""Single postings over HTTP: authenticated, durable, each with its own Idempotency-Key, driven by wrk."""

import asyncio
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import httpx

from bench import peer
from bench.network import WALLETS, Network
from bench.report import Figure, figure
from bench.spent import Meter
from omniroute.infra.postgres import EmbeddedPostgres

SECONDS = 10
CONNECTIONS = (64, 512)

# Each wrk thread numbers its requests; the key is made of run, thread and number, so none repeats.
SCRIPT = """
local counter = 0
local threads = 0
function setup(thread) thread:set("id", threads); threads = threads + 1 end
function init(args) run = args[1]; math.randomseed(id * 7919 + 17) end
function request()
  counter = counter + 1
  local a, b = math.random(0, WALLETS - 1), math.random(0, WALLETS - 1)
  local amount = math.random(1, 1000)
  local money = '","amount":' .. amount .. ',"currency":"NGN"}'
  local body = '{"value_on":"2026-03-02","legs":[{"account":"wallet:' .. a .. '","side":"debit' .. money ..
    ',{"account":"wallet:' .. b .. '","side":"credit' .. money .. ']}'
  return wrk.format("POST", nil, {["authorization"] = "Bearer SECRET", ["content-type"] = "application/json",
    ["idempotency-key"] = run .. "-" .. id .. "-" .. counter}, body)
end
""".replace("WALLETS", str(WALLETS))


async def run(server: EmbeddedPostgres, network: Network) -> list[Figure]:
    """64 and 512 connections, the peer before and after."""
    wrk = shutil.which("wrk")
    if wrk is None:
        print("SKIPPED: HTTP figures need wrk (Debian package wrk)", file=sys.stderr)
        return []
    figures: list[Figure] = []
    async with serving(server) as base:
        url = f"{base.url}/v1/{network.slug}/ledger/transactions"
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(SCRIPT.replace("SECRET", network.secret))
            script.flush()
            await drive(wrk, script.name, url, 32, 3, "warm")
            for connections in CONNECTIONS:
                before = await peer.measure(server)
                meter = Meter(server, web=base.pid)
                text = await drive(wrk, script.name, url, connections, SECONDS, f"c{connections}")
                spent = meter.told(requests_of(text))
                after = await peer.measure(server)
                figures += figures_of("ledger", connections, text, before, after, spent)
    return figures


async def drive(wrk: str, script: str, url: str, connections: int, seconds: int, name: str) -> str:
    """What wrk says; every answer was a success."""
    process = await asyncio.create_subprocess_exec(
        wrk,
        *("-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s", "--latency"),
        *("-s", script, url, "--", name),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    assert "Non-2xx" not in text, text
    assert "Socket errors" not in text, text
    return text


def requests_of(text: str) -> int:
    """How many requests wrk says were answered."""
    found = re.search(r"(\d+) requests in", text)
    assert found is not None, text
    return int(found[1])


def figures_of(
    what: str, connections: int, text: str, before: peer.Peer, after: peer.Peer, spent: str = ""
) -> list[Figure]:
    """Rate and times of one run of wrk; `spent` joins the note of the rate."""
    name = f"{what}.http.{connections}"
    tps = (before.tps + after.tps) / 2
    latency = (before.latency_ms + after.latency_ms) / 2
    note = f"wrk, {connections} connections, {SECONDS} s; server, database and wrk on the same cores"
    return [
        figure(name, rate_of(text), "requests/s", peer.NAME, tps, f"{note}. {spent}" if spent else note),
        figure(f"{name}.p50_ms", percentile_of(text, "50%"), "ms", f"{peer.NAME} mean", latency, note),
        figure(f"{name}.p99_ms", percentile_of(text, "99%"), "ms", f"{peer.NAME} mean", latency, note),
    ]


def rate_of(text: str) -> float:
    """Requests a second, as wrk says."""
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert found is not None, text
    return float(found[1])


def percentile_of(text: str, which: str) -> float:
    """Milliseconds within which so many were answered, as wrk says."""
    found = re.search(rf"^\s+{which}\s+([\d.]+)(us|ms|s)\s*$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1_000}[found[2]]


class serving:  # noqa: N801 - used as a context manager, like a function
    """A web process over `server`, as `omniroute serve` starts it with `settings`; `url` and `pid` once it answers."""

    def __init__(self, server: EmbeddedPostgres, **settings: str) -> None:
        self._server = server
        self._settings = {f"OMNIROUTE_{name.upper()}": value for name, value in settings.items()}
        self.url = ""
        self.pid = 0

    async def __aenter__(self) -> "serving":
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OMNIROUTE_")} | {
            "OMNIROUTE_DATABASE_URL": self._server.url("omniroute_app"),
            "OMNIROUTE_DATABASE_WORKER_URL": self._server.url("omniroute_worker"),
            "OMNIROUTE_DATABASE_OWNER_URL": self._server.url("omniroute_owner"),
            "OMNIROUTE_LOG_LEVEL": "warning",
            **self._settings,
        }
        with tempfile.TemporaryFile() as log:
            command = str(Path(sys.executable).parent / "omniroute")
            self._process = await asyncio.create_subprocess_exec(
                command, "serve", "--port", "18231", env=environment, stdout=log, stderr=log
            )
            self.url = "http://127.0.0.1:18231"
            self.pid = self._process.pid
            async with httpx.AsyncClient() as client:
                for _ in range(600):
                    await asyncio.sleep(0.1)
                    if self._process.returncode is not None:
                        break
                    try:
                        if (await client.get(f"{self.url}/health")).status_code == 200:
                            return self
                    except httpx.TransportError:
                        continue
            if self._process.returncode is None:
                # One that stays would take a share of the next one's connections.
                self._process.kill()
                await self._process.wait()
            log.seek(0)
            raise RuntimeError(log.read().decode())

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()
