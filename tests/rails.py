"""What payments need of a process, for the tests of its doors: every rail, on a database of the test."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from uuid import UUID

from prometheus_client import CollectorRegistry

from omniroute import api
from omniroute.app.rails import connectors
from omniroute.infra.http import RailClients
from omniroute.infra.postgres import Database
from omniroute.infra.secrets import Vault
from omniroute.kit.clock import Clock
from omniroute.money import payments
from omniroute.money.connections import ConnectionLinks
from omniroute.money.policies import PolicyRulebooks

ACTIONS_SECRET = "a secret between an engine and us"


def payment_services(
    db: Database,
    worker_db: Database,
    vault: Vault,
    clock: Clock,
    *,
    public_url: str = "http://127.0.0.1:9",
    business_day: Callable[[UUID], date] | None = None,
) -> api.PaymentServices:
    """Rails by their real connectors, rules of an organisation that has none of its own."""
    rails = connectors()
    clients = RailClients(clock=clock, registry=CollectorRegistry())
    links = ConnectionLinks(worker_db, rails, vault=vault, clients=clients, clock=clock, public_url=public_url)
    rulebooks = PolicyRulebooks(db, rails, clock=clock)
    day = business_day or (lambda tenant_id: clock.now().date())
    initiator = payments.Initiator(db, rulebooks, clock=clock, business_day=day)
    files = payments.FileSender(
        worker_db,
        links,
        clock=clock,
        business_day=day,
        worker_id="door",
        folders=payments.Folders(Path("nowhere")),  # A door makes files; others deliver them.
        rules=rulebooks,
    )
    return api.PaymentServices(initiator, links, rails, rulebooks, ACTIONS_SECRET, files=files)
