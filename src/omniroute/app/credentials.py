"""The first credential of a new installation: the platform's key, which creates organisations."""

from omniroute.app import console
from omniroute.app.wiring import House
from omniroute.parties import tenants


async def first_credential(house: House) -> None:
    """Make the platform's key if there is none yet, and show it this once; nobody can read it again."""
    issued = await tenants.bootstrap_platform(house.db, now=house.clock.now())
    if issued is not None:
        console.say(f"Platform key, shown this once (it creates organisations): {issued.secret.text}")
