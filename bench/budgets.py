"""What the design asks of each figure on 2 cores with database and load generator beside it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """`must` and `aim` in the unit of the figure; `least` where more is better, else the most there may be."""

    must: float
    aim: float
    least: bool = True

    def verdict(self, value: float) -> str:
        """In a word."""
        if self.least:
            return "better than the aim" if value >= self.aim else "met" if value >= self.must else "missed"
        return "better than the aim" if value <= self.aim else "met" if value <= self.must else "missed"


BUDGETS = {
    "ledger.post.256": Budget(20_000, 30_000),
    "ledger.post.bulk": Budget(30_000, 50_000),
    "ledger.http.512": Budget(8_000, 12_000),
    "ledger.http.512.p99_ms": Budget(100, 100, least=False),
    "payments.initiate.http.512": Budget(3_000, 6_000),
    "payments.initiate.http.64.p99_ms": Budget(100, 50, least=False),
    "graphql.list1000.ms": Budget(8, 4, least=False),
    "reconcile.clean.100k.s": Budget(60, 10, least=False),
    "reconcile.noisy.100k.s": Budget(60, 10, least=False),
    "reconcile.clean.100k.precision": Budget(99.99, 100),
    "reconcile.noisy.100k.precision": Budget(99.99, 100),
    "reconcile.clean.100k.recall": Budget(98, 100),
    "reconcile.noisy.100k.recall": Budget(95, 98),
}
