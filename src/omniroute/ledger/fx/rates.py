"""Rates and quotes. Rates are exact: decimal text in, fractions inside; every rounding is named."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx, load, read_page
from omniroute.kit.currency import exponent
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money, Rounding, round_fraction
from omniroute.kit.paging import Page
from omniroute.ledger.errors import AmountNotPositive
from omniroute.ledger.fx.errors import AmountTooSmall, MalformedRate, QuoteNotFound, RateNotFound, SameCurrency
from omniroute.ledger.fx.events import RateRecorded

SQL = load("omniroute.ledger.fx")
RATES = SQL.listing("list_rates")

_RATE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
VALID_FOR_MAX = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of `base` (a whole dollar, not a cent) is worth `rate` units of `quote`, exactly."""

    rate_id: UUID
    base: str
    quote: str
    rate_text: str
    valid_from: datetime
    source: str
    recorded_at: datetime

    @property
    def rate(self) -> Fraction:
        """The rate as an exact fraction."""
        return Fraction(self.rate_text)


@dataclass(frozen=True, slots=True)
class Quote:
    """A promise: `sell` is exchanged into `buy` until `expires_at`. `inverse`: the rate was recorded the other way."""

    quote_id: UUID
    rate_id: UUID
    inverse: bool
    sell: Money
    buy: Money
    rate_text: str
    rounding: Rounding
    quoted_at: datetime
    expires_at: datetime


def check_pair(base: str, quote: str) -> None:
    """Refuse what is not a pair.

    Raises: UnknownCurrency, SameCurrency.
    """
    exponent(base)
    exponent(quote)
    if base == quote:
        raise SameCurrency(currency=base)


def convert(amount: Money, to: str, rate: Fraction, *, rounding: Rounding) -> Money:
    """An amount in another currency; `rate` is units of `to` for one unit of its own. Exact until rounded.

    Raises: UnknownCurrency, MalformedAmount.
    """
    scale = Fraction(10) ** (exponent(to) - exponent(amount.currency))
    return Money(round_fraction(amount.amount_minor * rate * scale, rounding), to)


async def record_rate(
    tx: Tx, *, base: str, quote: str, rate: str, valid_from: datetime, source: str, now: datetime, meta: Meta
) -> Rate:
    """Add a rate to the history.

    Raises: UnknownCurrency, SameCurrency, MalformedRate.
    """
    check_pair(base, quote)
    if not _RATE.fullmatch(rate) or not Fraction(rate) > 0 or not 1 <= len(source) <= 100 or not source.isprintable():
        raise MalformedRate(rate=rate[:40])
    rate_id = uuid7()
    await tx.execute(
        SQL.insert_rate,
        tenant=tx.tenant,
        id=rate_id,
        base=base,
        quote=quote,
        rate=rate,
        valid_from=valid_from,
        source=source,
        now=now,
    )
    await events.append(tx, RateRecorded(rate_id, base, quote, rate, valid_from, source), meta)
    return Rate(rate_id, base, quote, rate, valid_from, source, now)


async def find_rate(tx: Tx, base: str, quote: str, *, at: datetime) -> Rate:
    """The rate of a pair at an instant, in the direction in which it was recorded (look at `base`).

    Raises: UnknownCurrency, SameCurrency, RateNotFound.
    """
    check_pair(base, quote)
    row = await tx.one_or_none(SQL.find_rate, tenant=tx.tenant, base=base, quote=quote, at=at)
    if row is None:
        raise RateNotFound(base=base, quote=quote, at=at.isoformat())
    return _rate(row)


async def list_rates(
    tx: Tx,
    *,
    base: str | None = None,
    quote: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Rate]:
    """The history, the last recorded first unless `sort` says otherwise.

    Raises: what `read_page` raises.
    """
    rows = await read_page(tx, RATES, sort=sort, cursor=cursor, limit=limit, tenant=tx.tenant, base=base, quote=quote)
    return rows.map(_rate)


async def quote(
    tx: Tx,
    *,
    sell: Money,
    buy_currency: str,
    rounding: Rounding = Rounding.HALF_EVEN,
    valid_for: timedelta = timedelta(seconds=60),
    now: datetime,
    meta: Meta,
) -> Quote:
    """Promise what `sell` buys at the present rate, until it expires.

    Raises: UnknownCurrency, SameCurrency, RateNotFound, AmountNotPositive, AmountTooSmall, MalformedAmount.
    """
    if sell.amount_minor <= 0:
        raise AmountNotPositive(amount_minor=sell.amount_minor)
    assert timedelta(0) < valid_for <= VALID_FOR_MAX, "a quote is valid for up to a day"
    rate = await find_rate(tx, sell.currency, buy_currency, at=now)
    inverse = rate.base != sell.currency
    buy = convert(sell, buy_currency, Fraction(1) / rate.rate if inverse else rate.rate, rounding=rounding)
    if buy.amount_minor <= 0:
        raise AmountTooSmall(amount_minor=sell.amount_minor, currency=sell.currency)
    made = Quote(uuid7(), rate.rate_id, inverse, sell, buy, rate.rate_text, rounding, now, now + valid_for)
    await tx.execute(
        SQL.insert_quote,
        tenant=tx.tenant,
        id=made.quote_id,
        rate_id=rate.rate_id,
        inverse=inverse,
        sell_minor=sell.amount_minor,
        sell_currency=sell.currency,
        buy_minor=buy.amount_minor,
        buy_currency=buy.currency,
        rate=rate.rate_text,
        rounding=rounding.name,
        now=now,
        expires_at=made.expires_at,
    )
    return made


async def find_quote(tx: Tx, quote_id: UUID) -> Quote:
    """One quote, expired or not.

    Raises: QuoteNotFound.
    """
    row = await tx.one_or_none(SQL.find_quote, tenant=tx.tenant, id=quote_id)
    if row is None:
        raise QuoteNotFound()
    return Quote(
        row.quote_id,
        row.rate_id,
        row.inverse,
        Money(row.sell_minor, row.sell_currency),
        Money(row.buy_minor, row.buy_currency),
        row.rate,
        Rounding[row.rounding],
        row.quoted_at,
        row.expires_at,
    )


def _rate(row: Any) -> Rate:
    return Rate(row.rate_id, row.base, row.quote, row.rate, row.valid_from, row.source, row.recorded_at)
