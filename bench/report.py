"""Figures: kept as JSON for machines, shown as a table for people."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.budgets import BUDGETS

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside its peer. `ratio` is value / peer_value."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float
    ratio: float
    note: str


def figure(name: str, value: float, unit: str, peer: str, peer_value: float, note: str) -> Figure:
    """A figure with its ratio."""
    return Figure(name, round(value, 2), unit, peer, round(peer_value, 2), round(value / peer_value, 3), note)


def hardware() -> dict[str, str | int]:
    """What the figures were measured on."""
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": model,
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def save(figures: list[Figure]) -> Path:
    """Write bench/results/latest.json (the list alone) and hardware.json beside it; the path of the first.

    Figures that were not measured this time stay as they were.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "latest.json"
    new = {f.name: asdict(f) for f in figures}
    old = {f["name"]: f for f in json.loads(path.read_text())} if path.exists() else {}
    path.write_text(json.dumps(list((old | new).values()), indent=2) + "\n")
    (RESULTS / "hardware.json").write_text(json.dumps(hardware(), indent=2) + "\n")
    return path


def show(figures: list[Figure]) -> None:
    """The table."""
    table = Table(title="OmniRoute benchmarks", title_justify="left")
    for column, justify in (("name", "left"), ("value", "right"), ("unit", "left"), ("peer", "left")):
        table.add_column(column, justify="right" if justify == "right" else "left")
    table.add_column("peer value", justify="right")
    table.add_column("ratio", justify="right")
    for f in figures:
        table.add_row(f.name, f"{f.value:,.1f}", f.unit, f.peer, f"{f.peer_value:,.1f}", f"{f.ratio:.2f}")
    Console(width=140).print(table)


def page() -> str:
    """docs/benchmarks.md: the saved figures with their hardware."""
    figures = json.loads((RESULTS / "latest.json").read_text())
    machine = json.loads((RESULTS / "hardware.json").read_text())
    lines = [
        "# Benchmarks",
        "",
        f"Measured {machine['measured_at'][:10]} by `make bench` on {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['system']}, Python {machine['python']}, embedded PostgreSQL 18 with durable settings. Server, "
        "database and load generator share the cores. Absolute figures move with the machine; the ratio to the peer, "
        "measured on the same server in the same run, is what to compare.",
        "",
        "Every posting has two legs, an idempotency key, a floor checked on both accounts, an event, and entries with "
        "running balances; every call is one durable commit.",
        "",
        "| name | value | unit | peer | peer value | ratio | how |",
        "|---|---:|---|---|---:|---:|---|",
    ]
    lines += [
        f"| `{f['name']}` | {f['value']:,.1f} | {f['unit']} | `{f['peer']}` | {f['peer_value']:,.1f} "
        f"| {f['ratio']:.2f} | {f['note']} |"
        for f in figures
    ]
    lines += [
        "",
        "## Budgets",
        "",
        "Absolute, for 2 cores that also carry database and load generator; the peer beside each figure shows how fast "
        "those cores and their disk were that day. Where one is missed, its note says what each item costs.",
        "",
        "| name | must | aim | measured | |",
        "|---|---:|---:|---:|---|",
    ]
    lines += [
        f"| `{f['name']}` | {budget.must:,.0f} | {budget.aim:,.0f} | {f['value']:,.1f} {f['unit']} "
        f"| {budget.verdict(f['value'])} |"
        for f in figures
        if (budget := BUDGETS.get(f["name"])) is not None
    ]
    return "\n".join(lines) + "\n"
