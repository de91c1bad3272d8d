"""Merkle trees as in RFC 6962 section 2: a proof that one leaf belongs to a root, without showing the others."""

from collections.abc import Sequence
from hashlib import sha256

SIZE = 32


def node(left: bytes, right: bytes) -> bytes:
    """The hash above two hashes; the first byte keeps nodes and leaves apart."""
    return sha256(b"\x01" + left + right).digest()


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def root(leaves: Sequence[bytes]) -> bytes:
    """The hash of all leaves (which are hashes already)."""
    if len(leaves) == 1:
        return leaves[0]
    middle = _split(len(leaves))
    return node(root(leaves[:middle]), root(leaves[middle:]))


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from one leaf to the root, from the bottom up."""
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return [*path(leaves[:middle], index), root(leaves[middle:])]
    return [*path(leaves[middle:], index - middle), root(leaves[:middle])]


def root_from(leaf: bytes, index: int, size: int, hashes: Sequence[bytes]) -> bytes | None:
    """The root that this leaf at `index` of `size` and its path give; None when the path has a wrong length."""
    if not 0 <= index < size:
        return None
    turns: list[bool] = []  # From the top down: is the leaf on the left?
    while size > 1:
        middle = _split(size)
        left = index < middle
        turns.append(left)
        index, size = (index, middle) if left else (index - middle, size - middle)
    if len(turns) != len(hashes):
        return None
    value = leaf
    for left, other in zip(reversed(turns), hashes, strict=True):
        value = node(value, other) if left else node(other, value)
    return value


def cut(joined: bytes) -> list[bytes]:
    """Hashes that are stored end to end."""
    return [joined[at : at + SIZE] for at in range(0, len(joined), SIZE)]
