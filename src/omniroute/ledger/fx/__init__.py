"""Foreign exchange: rates with their history, quotes, and exchanges in one transaction that balances per currency.

The platform's position in a currency is an account: what it bought or sold. Beside it stands what that position cost
in the functional currency (the one the books are read in), at average cost:

    fx/USD          the position, in USD          fx/USD/NGN     its cost, in NGN
    fx/result/NGN   realised gain (credit) and loss (debit), in NGN

An exchange of NGN into USD for a customer:  customer NGN -> cost;  position USD -> customer USD;  and what the sold
dollars had cost leaves the cost account, the difference being the realised result. So at every instant the balance of
the cost account is the cost of the open position, to the minor unit.
"""

from omniroute.ledger.fx.errors import (
    AmountTooSmall,
    MalformedRate,
    QuoteExpired,
    QuoteNotFound,
    RateNotFound,
    SameCurrency,
)
from omniroute.ledger.fx.exchanges import Exchange, exchange
from omniroute.ledger.fx.rates import RATES, Quote, Rate, convert, find_quote, find_rate, list_rates, quote, record_rate

__all__ = [
    "RATES",
    "AmountTooSmall",
    "Exchange",
    "MalformedRate",
    "Quote",
    "QuoteExpired",
    "QuoteNotFound",
    "Rate",
    "RateNotFound",
    "SameCurrency",
    "convert",
    "exchange",
    "find_quote",
    "find_rate",
    "list_rates",
    "quote",
    "record_rate",
]
