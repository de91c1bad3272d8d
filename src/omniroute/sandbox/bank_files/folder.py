"""A bank that looks into a folder: what stands in `outbox` it takes, what it has to say it puts into `inbox`."""

import asyncio
from pathlib import Path

from omniroute.sandbox.bank_files.rail import BankFilesSandbox
from omniroute.sandbox.faults import Fault
from omniroute.sandbox.world import POLL_S


class BankFolder:
    """One customer's folder at a bank."""

    def __init__(self, bank: BankFilesSandbox, folder: Path) -> None:
        self.bank = bank
        self.outbox, self.inbox, self.taken = folder / "outbox", folder / "inbox", folder / "taken"
        self.faults: list[Fault] = []
        """What goes wrong with the next files, in their order."""
        for place in (self.outbox, self.inbox, self.taken):
            place.mkdir(parents=True, exist_ok=True)

    async def look(self) -> int:
        """Take what is there; how many files."""
        names = sorted(path for path in self.outbox.iterdir() if not path.name.startswith("."))
        for path in names:
            content = path.read_bytes()
            path.replace(self.taken / path.name)
            fault = self.faults.pop(0) if self.faults else None
            await self.bank.receive(content, self.put, fault)
        await self.bank.world.run_due()
        return len(names)

    async def put(self, name: str, content: bytes) -> None:
        """Put a file where the customer looks for it."""
        part = self.inbox / f".{name}.part"
        part.write_bytes(content)
        part.replace(self.inbox / name)

    async def keep_looking(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)
