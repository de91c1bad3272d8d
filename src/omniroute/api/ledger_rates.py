"""Exchange rates, quotes and exchanges over HTTP. Rates are strings: exact decimals, never floats."""

from datetime import timedelta
from typing import Annotated, Literal

from msgspec import Meta

from omniroute import ledger
from omniroute.api.call import Call
from omniroute.api.ledger_accounts import account_in
from omniroute.api.ledger_transactions import STATE_REFUSALS, TransactionOut, transaction_out
from omniroute.api.operations import operation
from omniroute.api.shapes import (
    AccountText,
    AmountIn,
    AmountOut,
    Currency,
    In,
    Instant,
    ListIn,
    Out,
    PageOut,
    page,
    shown,
)
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import Money, Rounding, json_amount, parse_amount
from omniroute.ledger import fx
from omniroute.parties.access import Permission

_RATES = "/v1/{tenant}/ledger/rates"
_QUOTES = "/v1/{tenant}/ledger/quotes"
_EXCHANGES = "/v1/{tenant}/ledger/exchanges"

_ROUNDING = {
    "half_up": Rounding.HALF_UP,
    "half_even": Rounding.HALF_EVEN,
    "down": Rounding.DOWN,
    "floor": Rounding.FLOOR,
    "ceiling": Rounding.CEILING,
}


class RecordRateIn(In):
    """1 of `base` is `rate` of `quote`, in major units, from `valid_from` on."""

    base: Currency
    quote: Currency
    rate: Annotated[str, Meta(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$", examples=["1605.25"])]
    valid_from: Instant
    source: Annotated[str, Meta(min_length=1, max_length=100, description="Who says so.")]


class RatesIn(ListIn):
    """Which rates."""

    base: Currency | None = None
    quote: Currency | None = None


class RateOut(Out):
    """A rate."""

    id: str
    base: str
    quote: str
    rate: str
    valid_from: Instant
    source: str
    recorded_at: Instant


class QuoteIn(In):
    """What to sell, and for which currency."""

    amount: AmountIn
    currency: Currency
    buy_currency: Currency
    rounding: Literal["half_up", "half_even", "down", "floor", "ceiling"] = "half_even"
    valid_for_s: Annotated[int, Meta(ge=1, le=86_400)] = 60


class MoneyOut(Out):
    """An amount and its currency."""

    amount: AmountOut
    currency: str


class QuoteOut(Out):
    """A promise until it expires."""

    id: str
    rate_id: str
    sell: MoneyOut
    buy: MoneyOut
    rate: str
    quoted_at: Instant
    expires_at: Instant


class ExchangeIn(In):
    """`from_account` pays in what is sold, `to_account` receives what is bought. `functional`: your books' currency."""

    quote_id: Annotated[str, Meta(pattern=r"^qte_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    from_account: AccountText
    to_account: AccountText
    functional: Currency


class ExchangeOut(Out):
    """What was booked; `realised` is the gain (or, below zero, the loss) in the functional currency."""

    transaction: TransactionOut
    realised: AmountOut
    functional: str


def rate_out(rate: fx.Rate) -> RateOut:
    """A rate as shown."""
    return shown(RateOut, rate, {"id": "rte"}, id=rate.rate_id, rate=rate.rate_text)


def _money(money: Money) -> MoneyOut:
    return MoneyOut(amount=json_amount(money.amount_minor), currency=money.currency)


def quote_out(quote: fx.Quote) -> QuoteOut:
    """A quote as shown."""
    return QuoteOut(
        id=ids.show("qte", quote.quote_id),
        rate_id=ids.show("rte", quote.rate_id),
        sell=_money(quote.sell),
        buy=_money(quote.buy),
        rate=quote.rate_text,
        quoted_at=quote.quoted_at,
        expires_at=quote.expires_at,
    )


@operation(
    "POST", _RATES, tag="Rates", status=201, permission=Permission.LEDGER_RATES_WRITE, whole=True,
    body=RecordRateIn, reply=RateOut,
    idempotent=True, refusals=("ledger.malformed_rate", "ledger.same_currency"),
    example={"base": "USD", "quote": "NGN", "rate": "1605.25", "valid_from": "2026-11-21T08:00:00Z",
             "source": "central bank"},
)  # fmt: skip
async def record_rate(call: Call, tx: Tx, body: RecordRateIn) -> RateOut:
    """Record an exchange rate. Nothing is overwritten."""
    rate = await fx.record_rate(
        tx,
        base=body.base,
        quote=body.quote,
        rate=body.rate,
        valid_from=body.valid_from,
        source=body.source,
        now=call.now,
        meta=call.meta,
    )
    return rate_out(rate)


@operation(
    "GET", _RATES, tag="Rates", permission=Permission.LEDGER_READ, query=RatesIn, reply=PageOut[RateOut],
    sorts=fx.RATES.sorts, refusals=("kit.unknown_currency", "ledger.same_currency"),
    example_query={"base": "USD", "quote": "NGN"},
)  # fmt: skip
async def list_rates(call: Call, tx: Tx, query: RatesIn) -> PageOut[RateOut]:
    """List recorded rates, the last first unless `sort` says otherwise."""
    found = await fx.list_rates(
        tx, base=query.base, quote=query.quote, limit=query.limit, sort=query.sort, cursor=query.cursor
    )
    return page(found, rate_out)


@operation(
    "POST", _QUOTES, tag="Rates", status=201, permission=Permission.LEDGER_POST, body=QuoteIn, reply=QuoteOut,
    idempotent=True, example={"amount": 10000, "currency": "USD", "buy_currency": "NGN"},
    refusals=("kit.malformed_amount", "ledger.rate_not_found", "ledger.same_currency", "ledger.amount_too_small",
              "ledger.amount_not_positive"),
)  # fmt: skip
async def make_quote(call: Call, tx: Tx, body: QuoteIn) -> QuoteOut:
    """Quote a conversion at the present rate."""
    quote = await fx.quote(
        tx,
        sell=Money(parse_amount(body.amount), body.currency),
        buy_currency=body.buy_currency,
        rounding=_ROUNDING[body.rounding],
        valid_for=timedelta(seconds=body.valid_for_s),
        now=call.now,
        meta=call.meta,
    )
    return quote_out(quote)


@operation(
    "GET", _QUOTES + "/{quote}", tag="Rates", permission=Permission.LEDGER_READ, reply=QuoteOut,
    refusals=("ledger.quote_not_found",),
)  # fmt: skip
async def get_quote(call: Call, tx: Tx) -> QuoteOut:
    """Show a quote."""
    return quote_out(await fx.find_quote(tx, call.id("quote")))


@operation(
    "POST", _EXCHANGES, tag="Rates", status=201, permission=Permission.LEDGER_POST, body=ExchangeIn, reply=ExchangeOut,
    idempotent=True, refusals=(*STATE_REFUSALS, "ledger.quote_not_found", "ledger.quote_expired",
                               "ledger.account_not_found", "ledger.rate_not_found", "ledger.account_code_taken",
                               "ledger.same_currency", "ledger.amount_too_small"),
    example={"quote_id": "qte_01jd3m8q4vv8k8x2n0c5t7yh6r", "from_account": "wallet:usd", "to_account": "wallet:ngn",
             "functional": "NGN"},
)  # fmt: skip
async def exchange(call: Call, tx: Tx, body: ExchangeIn) -> ExchangeOut:
    """Exchange at a quoted rate, in one transaction."""
    from_account = account_in(call.tenant_id, body.from_account)
    to_account = account_in(call.tenant_id, body.to_account)
    # Positions belong to the whole organisation; the caller's own accounts must be within its branches.
    await ledger.find_account(tx, from_account)
    await ledger.find_account(tx, to_account)
    done = await fx.exchange(
        tx,
        quote_id=ids.parse("qte", body.quote_id),
        from_account=from_account,
        to_account=to_account,
        functional=body.functional,
        now=call.now,
        today=call.today,
        meta=call.meta,
    )
    return ExchangeOut(
        transaction=transaction_out(done.transaction),
        realised=json_amount(done.realised_minor),
        functional=done.functional,
    )
