"""The first key: the platform's own organisation and the credential that creates all others."""

from datetime import datetime

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database
from omniroute.parties import access
from omniroute.parties.access import PLATFORM_PERMISSIONS, IssuedKey
from omniroute.parties.tenants.model import PLATFORM_ID, CreateOrganisation
from omniroute.parties.tenants.service import record_organisation
from omniroute.parties.tenants.store import SQL

PLATFORM = CreateOrganisation(slug="platform", name="Platform", country="KE", currency="KES", time_zone="UTC")


async def bootstrap_platform(
    db: Database, *, now: datetime, country: str = "KE", currency: str = "KES"
) -> IssuedKey | None:
    """Make the platform's organisation and key, once. The key's secret is in the answer and nowhere else.

    None: it was done before, and the secret was shown then. Safe to call at every start, from several processes.
    """
    meta = Meta(actor="bootstrap", channel="cli")
    command = CreateOrganisation(
        slug=PLATFORM.slug, name=PLATFORM.name, country=country, currency=currency, time_zone=PLATFORM.time_zone
    )
    async with db.tx(PLATFORM_ID) as tx:
        await tx.all(SQL.lock_link, id="bootstrap")
        if await tx.one_or_none(SQL.find_organisation) is not None:
            return None
        await record_organisation(tx, PLATFORM_ID, command, now=now, meta=meta)
        return await access.create_platform_key(tx, permissions=PLATFORM_PERMISSIONS, now=now, meta=meta)
