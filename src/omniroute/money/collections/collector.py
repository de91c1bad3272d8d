"""The worker of collections: providers are asked to open and close accounts, and about money that may have come in.

Rounds may run in several processes. What providers are asked about one by one is taken up under a lease; their lists
are read from where they were left, with some overlap, because booking twice is booking once.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from omniroute.infra.postgres import Database, Tx
from omniroute.infra.setbacks import Setbacks, together
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault
from omniroute.money.collections.crediting import Inlet, book_credits
from omniroute.money.collections.deciding import follow_return
from omniroute.money.collections.events import VirtualAccountExpired
from omniroute.money.collections.model import AccountCredit, AccountStatus
from omniroute.money.collections.opening import META, issuer_of, open_now
from omniroute.money.collections.reading import lock_account
from omniroute.money.collections.requesting import turn
from omniroute.money.collections.rules import bookable, plain
from omniroute.money.collections.store import SQL
from omniroute.money.payments import Link, Links
from omniroute.ports.rails import AccountIssuer, Credit, RailUnable

log = logger("omniroute.collections")

AT_ONCE_MAX = 50
LEASE = timedelta(minutes=2)
ASK_AFTER = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600))
"""How long after each answer that says nothing a provider is asked about a credit again; after the last no more."""
UNKNOWN_TRIES_MAX = len(ASK_AFTER) + 1
UNSETTLED_AFTER = timedelta(hours=1)
TRIES_MAX = 40
"""About a credit that is not settled, or of which nobody says anything. The list of credits tells of it, too."""
OVERLAP = timedelta(hours=6)
"""How far back a list is read again: providers may show late what was paid early."""
NO_LIST_FOR = timedelta(days=1)
PAGES_MAX = 1_000


class Collector:
    """One a process. `db` is the worker's. `every`: how often a provider's list is read."""

    def __init__(
        self,
        db: Database,
        links: Links,
        *,
        clock: Clock,
        business_day: Callable[[UUID], date],
        every: timedelta = timedelta(minutes=5),
    ) -> None:
        self._db, self._links, self._clock = db, links, clock
        self._business_day, self._every = business_day, every
        self._opening, self._expiring, self._asking = (Setbacks[UUID](clock) for _ in range(3))
        self._fetching, self._returning = Setbacks[UUID](clock), Setbacks[UUID](clock)

    async def round(self) -> int:
        """All there is to do, once; how much that was."""
        done = await self.open_due() + await self.expire_due() + await self.ask_due()
        return done + await self.follow_returns()

    # -- accounts -------------------------------------------------------------------------------------------------

    async def open_due(self) -> int:
        """Ask providers about accounts that are to be opened, or closed; how many."""
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(
                SQL.accounts_to_ask, now=self._clock.now(), without=self._opening.waiting(), limit=AT_ONCE_MAX
            )

        async def one(tenant_id: UUID, account_id: UUID) -> None:
            async with self._opening.of(account_id, tenant=tenant_id, account=account_id):
                await open_now(self._db, self._links, tenant_id, account_id, clock=self._clock)

        await together([one(row.tenant_id, row.virtual_account_id) for row in due])
        return len(due)

    async def expire_due(self) -> int:
        """End accounts whose time is over; how many."""
        now = self._clock.now()
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.accounts_to_expire, now=now, without=self._expiring.waiting(), limit=AT_ONCE_MAX)
        for row in due:

            async def work(tx: Tx, account_id: UUID = row.virtual_account_id) -> None:
                account = await lock_account(tx, account_id)
                over = account.expires_at is not None and account.expires_at <= now
                if over and account.status in (AccountStatus.ACTIVE, AccountStatus.SUSPENDED):
                    await turn(tx, account, AccountStatus.EXPIRED, VirtualAccountExpired, now=now, meta=META)

            async with self._expiring.of(row.virtual_account_id, tenant=row.tenant_id, account=row.virtual_account_id):
                await self._db.run(work, tenant_id=row.tenant_id, idempotent=True)
        return len(due)

    # -- credits that were told of --------------------------------------------------------------------------------

    async def ask_due(self) -> int:
        """Ask providers about credits somebody has told of; how many."""
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.hints_due, now=self._clock.now(), without=self._asking.waiting(), limit=AT_ONCE_MAX)
        by_connection: dict[tuple[UUID, UUID], list[str]] = {}
        for row in due:
            by_connection.setdefault((row.tenant_id, row.connection_id), []).append(row.provider_credit_id)

        async def one(tenant_id: UUID, connection_id: UUID, names: list[str]) -> None:
            async with self._asking.of(connection_id, tenant=tenant_id, connection=connection_id):
                await self._ask(tenant_id, connection_id, names)

        await together([one(*key, names) for key, names in by_connection.items()])
        return len(due)

    async def _ask(self, tenant_id: UUID, connection_id: UUID, names: list[str]) -> None:
        link, issuer = await self._issuer(tenant_id, connection_id)
        now = self._clock.now()
        async with self._db.tx(tenant_id) as tx:
            taken = await tx.all(
                SQL.take_hints,
                tenant=tenant_id,
                connection=connection_id,
                credits=names,
                now=now,
                lease_until=now + LEASE,
            )
        for row in taken:
            await self._ask_one(tenant_id, link, issuer, row.provider_credit_id, row.tries)

    async def _ask_one(self, tenant_id: UUID, link: Link, issuer: AccountIssuer, name: str, tries: int) -> None:
        """Ask about one credit, and book it if the provider has it. Silence about one is no trouble of the others."""
        try:
            credit = await issuer.find_credit(link.context, name)
        except (Fault, RailUnable) as why:
            log.warning("a provider could not be asked about a credit", rail=link.rail, credit=name, fault=str(why))
            await self._later(tenant_id, link, name, tries, tries_max=TRIES_MAX)
            return
        if credit is not None and credit.credit_id != name:
            log.error(
                "a provider answered about another credit", rail=link.rail, asked=name, got=credit.credit_id[:200]
            )
            credit = None
        if credit is not None and bookable(credit):
            await self._book(tenant_id, link, [credit])
        else:
            tries_max = UNKNOWN_TRIES_MAX if credit is None else TRIES_MAX
            await self._later(tenant_id, link, name, tries, tries_max=tries_max)

    async def _later(self, tenant_id: UUID, link: Link, name: str, tries: int, *, tries_max: int) -> None:
        now = self._clock.now()
        over = tries >= tries_max
        async with self._db.tx(tenant_id) as tx:
            await tx.execute(
                SQL.postpone_hint,
                tenant=tenant_id,
                connection=link.connection_id,
                credit=name,
                state="unfounded" if over else "waiting",
                later=now + ASK_AFTER[min(tries, len(ASK_AFTER)) - 1],
                now=now,
            )

    # -- the provider's list --------------------------------------------------------------------------------------

    async def fetch_due(self) -> int:
        """Read the lists of providers that were not read for a while; how many credits were new."""
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(
                SQL.lists_due, now=self._clock.now(), without=self._fetching.waiting(), limit=AT_ONCE_MAX
            )

        async def one(tenant_id: UUID, connection_id: UUID, until: datetime) -> int:
            async with self._fetching.of(connection_id, tenant=tenant_id, connection=connection_id):
                return await self.fetch(tenant_id, connection_id, until)
            return 0

        return sum(await together([one(row.tenant_id, row.connection_id, row.fetched_until) for row in due]))

    async def fetch(self, tenant_id: UUID, connection_id: UUID, until: datetime) -> int:
        """Book what a provider's list has from `until` on (and a while before); how much of it was new.

        Raises: LinkDown, Fault when the provider cannot be asked; what was read before stays.
        """
        link, issuer = await self._issuer(tenant_id, connection_id)
        started = self._clock.now()
        pause, new, cursor = self._every, 0, None
        try:
            for _ in range(PAGES_MAX):
                page = await issuer.fetch_credits(link.context, until - OVERLAP, cursor)
                new += len(await self._book(tenant_id, link, page.credits))
                cursor = page.cursor
                if cursor is None:
                    break
            else:
                raise Fault(f"the list of credits does not end after {PAGES_MAX} pages")
        except RailUnable as refusal:
            log.warning("a provider has no list of credits", rail=link.rail, detail=refusal.detail)
            pause, started = NO_LIST_FOR, until
        async with self._db.tx(tenant_id) as tx:
            await tx.execute(
                SQL.set_cursor,
                tenant=tenant_id,
                connection=connection_id,
                until=started,
                fetch_at=self._clock.now() + pause,
            )
        return new

    async def _book(self, tenant_id: UUID, link: Link, found: Sequence[Credit]) -> list[AccountCredit]:
        """Book what is settled; what is not is asked about later."""
        inlet = Inlet(link.connection_id, link.currency, link.float_account_id)
        unsettled = sorted({one.credit_id for one in found if not one.settled and plain(one.credit_id)})

        async def work(tx: Tx) -> list[AccountCredit]:
            now = self._clock.now()
            if unsettled:
                await tx.execute(
                    SQL.hint_later,
                    tenant=tenant_id,
                    connection=link.connection_id,
                    credits=unsettled,
                    now=now,
                    later=now + UNSETTLED_AFTER,
                )
            return await book_credits(tx, inlet, found, now=now, today=self._business_day(tenant_id), meta=META)

        return await self._db.run(work, tenant_id=tenant_id, idempotent=True)

    # -- what goes back -------------------------------------------------------------------------------------------

    async def follow_returns(self) -> int:
        """See what became of payments of money that goes back; how many are over."""
        async with self._db.tx(readonly=True) as tx:
            due = await tx.all(SQL.returns_over, without=self._returning.waiting(), limit=AT_ONCE_MAX)
        for row in due:

            async def work(tx: Tx, credit_id: UUID = row.credit_id) -> None:
                await follow_return(tx, credit_id, now=self._clock.now())

            async with self._returning.of(row.credit_id, tenant=row.tenant_id, credit=row.credit_id):
                await self._db.run(work, tenant_id=row.tenant_id, idempotent=True)
        return len(due)

    async def _issuer(self, tenant_id: UUID, connection_id: UUID) -> tuple[Link, AccountIssuer]:
        """Raises: LinkDown, Fault when the connection opens no accounts any more."""
        link = await self._links.get(tenant_id, connection_id)
        issuer = issuer_of(link)
        if issuer is None:
            raise Fault(f"{link.rail} knows no virtual accounts")
        return link, issuer
