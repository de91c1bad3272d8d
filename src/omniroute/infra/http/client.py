"""The client: one for each connection to a rail, so that one that hangs stops nobody else."""

import asyncio
import logging
import random
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import h11

from omniroute.infra.http.addresses import Resolve
from omniroute.infra.http.breaker import Admission, Breaker, State
from omniroute.infra.http.decoding import decode
from omniroute.infra.http.limits import Bulkhead, Limits, NoPlace, Rate, Sleep
from omniroute.infra.http.line import Broken
from omniroute.infra.http.metrics import HttpMetrics
from omniroute.infra.http.model import ExchangeFailed, Reply, Request, Sent
from omniroute.infra.http.pool import Pool
from omniroute.infra.http.redaction import find_secrets, show_body, show_headers, show_url, without
from omniroute.infra.http.target import Target, split_url
from omniroute.infra.http.tls import Tls
from omniroute.infra.telemetry import logger, span
from omniroute.kit.clock import Clock

TRIED_AGAIN = frozenset({429, 502, 503, 504})
PAUSE_S_MAX = 60
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class RailHttp:
    """Exchanges requests for replies with one rail over one bank connection.

    No redirect is followed, no proxy used, no cookie kept. A submit is tried once. A safe request is tried
    `limits.tries_max` times. `resolve` (see `public_only`) tells the addresses to connect to instead of the name.
    """

    def __init__(
        self,
        *,
        rail: str,
        connection: str,
        clock: Clock,
        metrics: HttpMetrics,
        limits: Limits | None = None,
        tls: Tls | None = None,
        resolve: Resolve | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.rail = rail
        self.connection = connection
        self._limits = limits = limits or Limits()
        self._clock = clock
        self._sleep = sleep
        self._metrics = metrics
        self._in_flight = metrics.in_flight.labels(rail)
        self._pool = Pool(tls or Tls(), keepalive_s=limits.keepalive_s, resolve=resolve)
        self._bulkhead = Bulkhead(limits.concurrency_max)
        self._rate = Rate(clock, sleep, limits.submits_per_second)
        self._log = logger("omniroute.http")
        self._closed = False
        self._breaker = Breaker(
            clock,
            window=limits.breaker_window,
            failures_min=limits.breaker_failures_min,
            open_s=limits.breaker_open_s,
            open_max_s=limits.breaker_open_max_s,
            changed=self._breaker_changed,
        )

    @property
    def breaker(self) -> State:
        """Whether submits go through at present."""
        return self._breaker.state

    def takes_submits(self) -> bool:
        """A submit would not be refused by the breaker now; routing asks before it chooses the rail."""
        return not self._breaker.refuses()

    async def exchange(self, request: Request) -> Reply:
        """The reply, whatever its status.

        Raises: ExchangeFailed; `sent` is NO only if no byte of any try left this machine.
        """
        loop = asyncio.get_running_loop()
        ends_at = None if request.deadline_s is None else loop.time() + request.deadline_s
        tries = self._limits.tries_max if request.safe else 1
        sent = Sent.NO
        for number in range(1, tries + 1):
            wait_s = self._backoff(number)
            reply, failure = None, None
            try:
                reply = await self._try(request, ends_at)
            except ExchangeFailed as error:
                failure = error
                if error.sent is Sent.MAYBE:
                    sent = Sent.MAYBE
            else:
                sent = Sent.MAYBE
                if reply.status not in TRIED_AGAIN:
                    return reply
                asked_s = self._retry_after(reply.headers)
                wait_s = wait_s if asked_s is None else asked_s
                if request.submit and reply.status == 429:
                    self._rate.pause(min(asked_s or 1.0, PAUSE_S_MAX))
            last = number == tries or wait_s > self._limits.retry_wait_max_s
            if last or (ends_at is not None and loop.time() + wait_s >= ends_at):
                if reply is not None:
                    return reply
                assert failure is not None
                failure.sent = sent
                raise failure
            await self._sleep(wait_s)
        raise AssertionError("a request is tried at least once")

    async def aclose(self) -> None:
        """Close what is idle; exchanges under way end by themselves."""
        self._pool.close()
        if not self._closed and self._breaker.state is not State.CLOSED:
            self._metrics.breakers_open.labels(self.rail).dec()
        self._closed = True

    async def _try(self, request: Request, ends_at: float | None) -> Reply:
        """One try, counted and logged."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        outcome, sent = "cancelled", "maybe"
        self._in_flight.inc()
        try:
            with span("rail." + request.operation, rail=self.rail):
                reply = await self._guarded(request, ends_at)
            outcome, sent = f"{reply.status // 100}xx", "yes"
            self._show(request, reply)
            return reply
        except ExchangeFailed as failure:
            outcome, sent = "failed", failure.sent.value
            self._log.info(
                "no reply",
                rail=self.rail,
                connection=self.connection,
                operation=request.operation,
                sent=sent,
                detail=str(failure),
            )
            raise
        finally:
            self._in_flight.dec()
            self._metrics.seconds.labels(self.rail, request.operation).observe(loop.time() - started)
            self._metrics.exchanges.labels(self.rail, request.operation, outcome, sent).inc()

    async def _guarded(self, request: Request, ends_at: float | None) -> Reply:
        """One try behind breaker, rate limit and bulkhead."""
        try:
            target = split_url(request.url)
            head = _head(request, target)
        except ValueError as error:
            raise ExchangeFailed(str(error), sent=Sent.NO) from None
        if request.submit and self._breaker.refuses():
            raise ExchangeFailed("the circuit breaker is open", sent=Sent.NO)
        wait_s: float = self._limits.wait_timeout_s
        if ends_at is not None:
            wait_s = min(wait_s, max(0.0, ends_at - asyncio.get_running_loop().time()))
        try:
            if request.submit:
                await self._rate.take(wait_s)
            async with self._bulkhead.place(submit=request.submit, timeout_s=wait_s):
                return await self._judged(request, target, head, ends_at)
        except NoPlace as full:
            raise ExchangeFailed(str(full), sent=Sent.NO) from None

    async def _judged(self, request: Request, target: Target, head: h11.Request, ends_at: float | None) -> Reply:
        """One try whose end the breaker learns."""
        admission = self._breaker.admit() if request.submit else Admission.NORMAL
        if admission is Admission.REFUSED:
            raise ExchangeFailed("the circuit breaker is open", sent=Sent.NO)
        probe = admission is Admission.PROBE
        try:
            reply = await self._once(request, target, head, ends_at)
        except ExchangeFailed:
            self._breaker.record(failed=True, probe=probe)
            raise
        except BaseException:
            self._breaker.forget(probe=probe)
            raise
        self._breaker.record(failed=reply.status >= 500, probe=probe)
        return reply

    async def _once(self, request: Request, target: Target, head: h11.Request, ends_at: float | None) -> Reply:
        now = asyncio.get_running_loop().time()
        ends = now + request.connect_timeout_s + request.read_timeout_s
        ends = ends if ends_at is None else min(ends, ends_at)
        bytes_max = request.response_bytes_max or self._limits.response_bytes_max
        try:
            line = await self._pool.take(target.origin, timeout_s=min(request.connect_timeout_s, max(0.0, ends - now)))
        except Broken as broken:
            raise ExchangeFailed(str(broken), sent=Sent.NO) from broken.__cause__
        try:
            reply = await line.exchange(
                head, request.body, read_timeout_s=request.read_timeout_s, ends_at=ends, bytes_max=bytes_max
            )
            return decode(reply, bytes_max) if "content-encoding" in reply.headers else reply
        except Broken as broken:
            sent = Sent.MAYBE if line.has_written else Sent.NO
            raise ExchangeFailed(str(broken), sent=sent) from None
        finally:
            self._pool.give(target.origin, line)

    def _backoff(self, number: int) -> float:
        """Doubling, with full jitter on the upper half: callers that failed together do not come back together."""
        wait_ms = min(self._limits.retry_wait_ms << (number - 1), self._limits.retry_wait_max_s * 1000)
        return (wait_ms / 2 + random.uniform(0, wait_ms / 2)) / 1000  # noqa: S311 - no secret

    def _retry_after(self, headers: Mapping[str, str]) -> float | None:
        text = headers.get("retry-after", "").strip()
        if not text:
            return None
        if text.isascii() and text.isdigit() and len(text) < 9:
            return float(text)
        try:
            return max(0.0, (parsedate_to_datetime(text) - self._clock.now()).total_seconds())
        except (ValueError, TypeError, OverflowError):
            return None

    def _breaker_changed(self, before: State, after: State) -> None:
        if self._closed:
            return
        gauge = self._metrics.breakers_open.labels(self.rail)
        if before is State.CLOSED:
            gauge.inc()
        elif after is State.CLOSED:
            gauge.dec()
        self._log.warning("breaker", rail=self.rail, connection=self.connection, state=after.name.lower())

    def _show(self, request: Request, reply: Reply) -> None:
        if not self._log.is_enabled_for(logging.DEBUG):
            return
        secrets = request.secrets
        values = find_secrets(request.headers, request.url, request.body, secrets)
        sent_type = next((value for name, value in request.headers.items() if name.lower() == "content-type"), "")
        self._log.debug(
            "exchange",
            rail=self.rail,
            connection=self.connection,
            operation=request.operation,
            request=f"{request.method} {without(show_url(request.url, secrets), values)}",
            request_headers={n: without(v, values) for n, v in show_headers(request.headers, secrets).items()},
            request_body=without(show_body(request.body, sent_type, secrets), values),
            status=reply.status,
            reply_headers={n: without(v, values) for n, v in show_headers(reply.headers, secrets).items()},
            reply_body=without(show_body(reply.body, reply.headers.get("content-type", ""), secrets), values),
        )


def _head(request: Request, target: Target) -> h11.Request:
    """Raises: ValueError when no legal HTTP can be made of it."""
    headers = [(b"Host", target.host_header)]
    try:
        names = set()
        for name, value in request.headers.items():
            names.add(name.lower())
            if name.lower() not in _OURS:
                headers.append((name.encode("ascii"), value.encode("latin-1")))
        if "accept-encoding" not in names:
            headers.append((b"Accept-Encoding", b"identity"))
        if "user-agent" not in names:
            headers.append((b"User-Agent", b"OmniRoute"))
        if request.body or request.method in _WITH_BODY:
            headers.append((b"Content-Length", b"%d" % len(request.body)))
        if request.method == "CONNECT" or "upgrade" in names:
            raise ValueError
        return h11.Request(method=request.method.encode("ascii"), target=target.path, headers=headers)
    except (ValueError, h11.LocalProtocolError):
        raise ValueError("the request is not legal HTTP") from None
