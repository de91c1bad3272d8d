"""What a computed column says about a stored one, so that an index is of use to who asks for the first.

A view may compute a column from others. PostgreSQL cannot turn a condition on the result into one on what it was
computed from, and reads every row. Where each value can only come from some values of another column, we say so:

    status = 'FAILED'  is  state IN ('failed', 'cancelled') AND (state IN ('failed', 'cancelled') OR status = 'FAILED')

The first part finds the rows. The second tells PostgreSQL how many there are: of a computed column it knows nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from omniroute.graphql.metadata.tree import Name


@dataclass(frozen=True, slots=True)
class Implied:
    """A row of `table` whose `column` has a value in `means` has in `other`, a text, one of those it names there.

    Values of `other` that are not in `undecided` belong to one value of `column` alone.
    """

    table: Name
    column: str
    other: str
    means: Mapping[str, tuple[str, ...]]
    undecided: frozenset[str] = frozenset()

    @property
    def decided(self) -> dict[str, tuple[str, ...]]:
        """What of `means` is the same as having the value."""
        return {value: tuple(one for one in names if one not in self.undecided) for value, names in self.means.items()}
