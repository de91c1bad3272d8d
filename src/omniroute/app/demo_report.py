"""What `omniroute demo` tells at its end."""

from dataclasses import dataclass

from omniroute.app import console
from omniroute.app.demo_collections import Collected
from omniroute.app.demo_network import CURRENCY
from omniroute.app.demo_payments import Payouts
from omniroute.kit.currency import exponent
from omniroute.kit.money import decimal_text


@dataclass(frozen=True, slots=True)
class Figures:
    """What the demonstration shows at its end. `wrong` is empty when the books balance."""

    transfers: int
    accepted: int
    refused: int
    replayed: int
    retries: int
    kills: int
    set_up_s: int
    posting_s: int
    rate_per_s: int
    transactions: int
    debits_minor: int
    credits_minor: int
    payouts: Payouts | None
    collected: Collected | None
    wrong: tuple[str, ...]


def _money(amount_minor: int, currency: str = CURRENCY) -> str:
    whole, point, rest = decimal_text(abs(amount_minor), exponent(currency)).partition(".")
    return f"{'-' if amount_minor < 0 else ''}{currency} {int(whole):,}{point}{rest}"


def show(figures: Figures) -> None:
    """The figures as tables, whatever is wrong, and whether the books balance."""
    lines: list[tuple[str, object]] = [
        ("transfers in the file", figures.transfers),
        ("accepted", figures.accepted),
        ("refused for insufficient funds, as meant", figures.refused),
        ("sent again, answered from memory", figures.replayed),
        ("requests the clients repeated", figures.retries),
        ("database killed with -9", figures.kills),
        ("set-up", f"{figures.set_up_s} s"),
        ("posting, with recovery", f"{figures.posting_s} s, {figures.rate_per_s:,} transfers a second"),
        ("transfers in the ledger", figures.transactions),
        ("trial balance, debits", _money(figures.debits_minor)),
        ("trial balance, credits", _money(figures.credits_minor)),
    ]
    console.show_table([{"figure": name, "value": _number(value)} for name, value in lines])
    if figures.payouts is not None:
        _show_payouts(figures.payouts)
    if figures.collected is not None:
        _show_collected(figures.collected)
    for one in figures.wrong[:20]:
        console.say(f"wrong: {one}")
    console.say("books balance: " + ("ok" if not figures.wrong else f"NO, {len(figures.wrong)} things are wrong"))


def _show_payouts(paid: Payouts) -> None:
    rows = [
        {"payouts": one.payments, "status": one.status, "why": one.reason, "next step": one.next_step}
        for one in paid.groups
    ]
    console.show_table(rows, title=f"{paid.payments:,} payouts in {paid.paying_s} s")
    floats = [
        {
            "float": one.connection,
            "books": _money(one.books_minor, one.currency),
            "rail": _money(one.rail_minor, one.currency),
            "of which waiting": _money(one.waiting_minor, one.currency),
            "agree": "yes" if one.agrees else "NO",
        }
        for one in paid.floats
    ]
    console.show_table(floats)
    console.say(f"debits at the rails for one payout: {paid.debits_most} at most")


def _show_collected(one: Collected) -> None:
    lines = [
        (f"paid in by {one.retailers} retailers, {one.transfers:,} transfers", one.paid_in_minor),
        ("  commission of the depots that collect", one.collectors_minor),
        ("  commission of the distributor", one.distributor_minor),
        ("  paid out to the manufacturer", one.paid_out_minor),
        ("kept by the provider of account numbers", one.provider_fees_minor),
    ]
    console.show_table(
        [{"collected": what, "amount": _money(minor)} for what, minor in lines],
        title=f"{one.transfers:,} collections in {one.taking_s} s",
    )


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
