"""Exchanges: one transaction, balanced in each currency, with the realised result at average cost."""

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from uuid import UUID

from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.currency import exponent
from omniroute.kit.ids import show
from omniroute.kit.money import MINOR_MAX, MalformedAmount, Money, Rounding
from omniroute.ledger.accounts import OpenAccount, find_balances, open_missing
from omniroute.ledger.commands import post_transaction
from omniroute.ledger.errors import ConditionFailed, DuplicateReference, UnknownTransaction
from omniroute.ledger.fx.errors import QuoteExpired
from omniroute.ledger.fx.positions import Position, Traded, trade
from omniroute.ledger.fx.rates import SQL, Quote, convert, find_quote, find_rate
from omniroute.ledger.model import AccountType, Condition, Leg, Mode, Side, Transaction, account_id
from omniroute.ledger.service import find_by_reference, post_one

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Exchange:
    """A booked exchange. It earned `realised_minor` of `functional`; `replayed`: it had been booked before."""

    transaction: Transaction
    realised_minor: int
    functional: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Holding:
    """A position as its two accounts say, and their versions."""

    currency: str
    position: Position
    conditions: tuple[Condition, Condition]


async def exchange(
    tx: Tx,
    *,
    quote_id: UUID,
    from_account: UUID,
    to_account: UUID,
    functional: str,
    now: datetime,
    today: date,
    meta: Meta,
) -> Exchange:
    """Take the quote's `sell` from one account and give its `buy` to the other; once per quote, repeats get the same.

    One exchange at a time goes through a currency. Between two foreign currencies the value in the functional one is
    that of the sold amount at the present rate.

    Raises: QuoteNotFound, QuoteExpired, RateNotFound, DuplicateReference (the quote was used for other accounts), and
    what posting refuses.
    """
    exponent(functional)
    quote = await find_quote(tx, quote_id)
    foreign = [code for code in (quote.sell.currency, quote.buy.currency) if code != functional]
    await tx.all(SQL.lock_positions, tenant=tx.tenant, currencies=foreign)
    reference = f"fx:{show('qte', quote_id)}"
    done = await _find_done(tx, reference, from_account, to_account)
    if done is not None:
        return done
    if now >= quote.expires_at:
        raise QuoteExpired(expires_at=quote.expires_at.isoformat())
    value = await _value(tx, quote, functional, now)
    await open_missing(tx, _accounts(foreign, functional), now=now, meta=meta)
    for attempt in range(1, _ATTEMPTS + 1):
        holdings = [await _find_holding(tx, code, functional) for code in foreign]
        trades = {
            holding.currency: trade(holding.position, _quantity(quote, holding.currency), value.amount_minor)
            for holding in holdings
        }
        realised = sum(made.realised_minor for made in trades.values())
        legs = [
            Leg(from_account, Side.DEBIT, quote.sell),
            Leg(to_account, Side.CREDIT, quote.buy),
            *_position_legs(tx.tenant, quote, functional, holdings, trades, realised),
        ]
        command = post_transaction(
            legs,
            value_on=today,
            reference=reference,
            metadata={
                "quote": show("qte", quote_id),
                "rate": quote.rate_text,
                "functional": functional,
                "realised_minor": str(realised),
            },
            conditions=[condition for holding in holdings for condition in holding.conditions],
            meta=meta,
        )
        try:
            booked = await post_one(tx, command, today=today)
        except ConditionFailed:
            # Somebody posted to a position directly between our look and our lock.
            if attempt == _ATTEMPTS:
                raise
            continue
        return Exchange(booked, realised, functional, False)
    raise AssertionError("unreachable")


async def _find_done(tx: Tx, reference: str, from_account: UUID, to_account: UUID) -> Exchange | None:
    try:
        booked = await find_by_reference(tx, reference)
    except UnknownTransaction:
        return None
    if [entry.account_id for entry in booked.entries[:2]] != [from_account, to_account]:
        raise DuplicateReference("the quote was used for other accounts")
    return Exchange(booked, int(booked.metadata["realised_minor"]), booked.metadata["functional"], True)


async def _value(tx: Tx, quote: Quote, functional: str, now: datetime) -> Money:
    """What changes hands, in the functional currency."""
    if quote.sell.currency == functional:
        return quote.sell
    if quote.buy.currency == functional:
        return quote.buy
    rate = await find_rate(tx, quote.sell.currency, functional, at=now)
    factor = rate.rate if rate.base == quote.sell.currency else Fraction(1) / rate.rate
    return convert(quote.sell, functional, factor, rounding=Rounding.HALF_EVEN)


def _quantity(quote: Quote, currency: str) -> int:
    """What the position in a currency changes by: we buy what is sold to us."""
    return quote.sell.amount_minor if currency == quote.sell.currency else -quote.buy.amount_minor


def _accounts(foreign: list[str], functional: str) -> list[OpenAccount]:
    found = []
    for code in foreign:
        found.append(OpenAccount(f"fx/{code}", f"Position in {code}", AccountType.EQUITY, code))
        found.append(
            OpenAccount(f"fx/{code}/{functional}", f"Cost of the position in {code}", AccountType.ASSET, functional)
        )
    result = f"fx/result/{functional}"
    found.append(OpenAccount(result, "Realised exchange result", AccountType.INCOME, functional, Mode.DEFERRED))
    return found


async def _find_holding(tx: Tx, currency: str, functional: str) -> _Holding:
    ids = [account_id(tx.tenant, code) for code in (f"fx/{currency}", f"fx/{currency}/{functional}")]
    found = await find_balances(tx, ids)
    position, cost = found[ids[0]], found[ids[1]]
    return _Holding(
        currency,
        Position(position.posted_minor, cost.posted_minor),
        (Condition(ids[0], version=position.version), Condition(ids[1], version=cost.version)),
    )


def _position_legs(
    tenant_id: UUID,
    quote: Quote,
    functional: str,
    holdings: list[_Holding],
    trades: dict[str, Traded],
    realised: int,
) -> list[Leg]:
    legs = []
    for holding in holdings:
        code = holding.currency
        amount = quote.sell if code == quote.sell.currency else quote.buy
        side = Side.CREDIT if code == quote.sell.currency else Side.DEBIT
        legs.append(Leg(account_id(tenant_id, f"fx/{code}"), side, amount))
        cost = trades[code].after.cost_minor - holding.position.cost_minor
        legs += _signed(tenant_id, f"fx/{code}/{functional}", cost, functional)
    return legs + _signed(tenant_id, f"fx/result/{functional}", -realised, functional)


def _signed(tenant_id: UUID, code: str, debit_minor: int, currency: str) -> list[Leg]:
    """A debit, or for a negative amount a credit; nothing for zero."""
    if debit_minor == 0:
        return []
    if abs(debit_minor) > MINOR_MAX:
        raise MalformedAmount(amount_minor=str(debit_minor))
    side = Side.DEBIT if debit_minor > 0 else Side.CREDIT
    return [Leg(account_id(tenant_id, code), side, Money(abs(debit_minor), currency), code)]
