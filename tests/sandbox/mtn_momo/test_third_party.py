"""A client that somebody else wrote pays, asks and is refused, over real HTTP, without knowing that we exist."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import httpx
import pytest
from momo_api import Config, ConflictException, MomoApi, TransferRequest
from momo_api.products import DisbursementApi

from omniroute.sandbox.mtn_momo import MtnMomoSandbox
from omniroute.sandbox.server import Sandbox
from omniroute.sandbox.world import World

Told = TypeVar("Told")


class Stranger:
    """Their client, pointed at our sandbox."""

    def __init__(self, sandbox: Sandbox, world: World) -> None:
        self.world = world
        self._to = httpx.Client(transport=Redirected(sandbox.url))

    def leave(self) -> None:
        self._to.close()

    async def does(self, call: Callable[[], Told]) -> Told:
        return await asyncio.to_thread(call)

    async def provision(self) -> DisbursementApi:
        """A user and a key of its own, as their read-me does it."""
        momo = MomoApi.create("sandbox", self._to)
        provisioning = momo.sandbox("sandbox-subscription-key")
        user = await self.does(lambda: provisioning.create_api_user(str(uuid.uuid4()), "callbacks.example.com"))
        key = await self.does(lambda: provisioning.create_api_key(user))
        return momo.get_disbursement(Config.disbursement("sandbox-subscription-key", user, key))


class Redirected(httpx.HTTPTransport):
    """Carries requests for MTN's host to the sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == "sandbox.momodeveloper.mtn.com"
        path = b"/mtn_momo" + request.url.raw_path
        request.url = self._url.copy_with(raw_path=path)
        request.headers["host"] = f"{self._url.host}:{self._url.port}"
        return super().handle_request(request)


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    world = World(slow_s=0)
    async with Sandbox(world, [MtnMomoSandbox(world)]) as sandbox:
        stranger = Stranger(sandbox, world)
        yield stranger
        stranger.leave()


async def test_a_transfer_is_paid_and_told(stranger: Stranger) -> None:
    api = await stranger.provision()
    before = await stranger.does(api.get_balance)
    request = TransferRequest.make("12.50", "256772123456", "INV-7", "EUR")
    reference = await stranger.does(lambda: api.transfer(request))
    told = await stranger.does(lambda: api.get_transfer_status(reference))
    assert (told.is_successful(), told.amount, told.payee, told.currency) == (True, "12.50", "256772123456", "EUR")
    after = await stranger.does(api.get_balance)
    assert float(before.available_balance) - float(after.available_balance) == 12.5
    assert len(stranger.world.debits("mtn_momo", reference)) == 1


async def test_a_failed_transfer_tells_why(stranger: Stranger) -> None:
    api = await stranger.provision()
    reference = await stranger.does(lambda: api.transfer(TransferRequest.make("5", "46733123457", "INV-8", "EUR")))
    told = await stranger.does(lambda: api.get_transfer_status(reference))
    assert told.is_failed()
    assert told.reason is not None
    assert told.reason.is_payee_not_found()


async def test_a_repeated_reference_is_a_conflict(stranger: Stranger) -> None:
    api = await stranger.provision()
    reference, request = str(uuid.uuid4()), TransferRequest.make("5", "256772123456", "INV-9", "EUR")
    await stranger.does(lambda: api.transfer(request, reference))
    with pytest.raises(ConflictException):
        await stranger.does(lambda: api.transfer(request, reference))
    assert len(stranger.world.debits("mtn_momo", reference)) == 1


async def test_holders_are_known(stranger: Stranger) -> None:
    api = await stranger.provision()
    assert await stranger.does(lambda: api.check_account_holder("256772123456"))
    assert not await stranger.does(lambda: api.check_account_holder("46733123451"))
