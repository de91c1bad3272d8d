"""A client that somebody else wrote pays, asks and is refused, over real HTTP, without knowing that we exist."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx
import pytest
from momo_api import MomoException, encrypt_airtel_pin
from momo_api.airtel import AirtelApi, AirtelConfig, AirtelDisbursementApi

from omniroute.sandbox.airtel import AirtelSandbox
from omniroute.sandbox.server import Sandbox
from omniroute.sandbox.world import World

Told = TypeVar("Told")


@dataclass
class Stranger:
    """Their client, pointed at our sandbox."""

    api: AirtelDisbursementApi
    world: World

    async def does(self, call: Callable[[], Told]) -> Told:
        return await asyncio.to_thread(call)


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    world = World(slow_s=0)
    rail = AirtelSandbox(world)
    connection = next(one for one in rail.connections() if one.public["country"] == "CG")
    pin = encrypt_airtel_pin(connection.secret["pin"], connection.public["pin_public_key"])
    config = AirtelConfig.disbursement(connection.public["client_id"], connection.secret["client_secret"], pin)
    async with Sandbox(world, [rail]) as sandbox:
        with httpx.Client() as client:
            yield Stranger(AirtelApi(f"{sandbox.url}/airtel", client).get_disbursement(config), world)


async def test_a_transfer_is_paid_and_told(stranger: Stranger) -> None:
    before = await stranger.does(stranger.api.get_balance)
    reference = await stranger.does(lambda: stranger.api.transfer("5000", "242700160185", "PAYROLL7"))
    told = await stranger.does(lambda: stranger.api.get_transfer_status(reference))
    assert (told.is_successful(), told.id) == (True, reference)
    after = await stranger.does(stranger.api.get_balance)
    assert (int(before.available_balance) - int(after.available_balance), after.currency) == (5_000, "XAF")
    assert len(stranger.world.debits("airtel", reference)) == 1


async def test_a_refusal_is_one_for_them_too(stranger: Stranger) -> None:
    with pytest.raises(MomoException):
        await stranger.does(lambda: stranger.api.transfer("5000", "242700160000", "PAYROLL7"))
    assert stranger.world.movements == []


async def test_a_repeated_id_takes_no_more_money(stranger: Stranger) -> None:
    reference = str(uuid.uuid4())
    await stranger.does(lambda: stranger.api.transfer("5000", "242700160185", "PAYROLL7", reference))
    with pytest.raises(MomoException):
        await stranger.does(lambda: stranger.api.transfer("5000", "242700160185", "PAYROLL7", reference))
    assert len(stranger.world.debits("airtel", reference)) == 1
