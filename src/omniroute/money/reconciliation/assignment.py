"""Who belongs to whom, over all candidates at once and not by first come."""

from collections.abc import Iterable, Mapping

SIDE_MAX = 8
"""More candidates than this on a side prove nothing: a reference that many share is none."""
_NEVER = 10**12


def assign(edges: Mapping[int, Mapping[int, int]]) -> list[tuple[int, int]]:
    """As many pairs as can be, at the least cost in sum. Groups larger than SIDE_MAX on a side are left alone.

    The same edges give the same pairs, whatever order they come in, as long as keys are sorted alike.
    """
    pairs: list[tuple[int, int]] = []
    for left, right in _components(edges):
        if len(left) == 1 and len(right) == 1:
            pairs.append((left[0], right[0]))
        elif len(left) <= SIDE_MAX and len(right) <= SIDE_MAX:
            pairs += _cheapest(left, right, edges)
    return pairs


def _components(edges: Mapping[int, Mapping[int, int]]) -> Iterable[tuple[list[int], list[int]]]:
    back: dict[int, list[int]] = {}
    for one, targets in edges.items():
        for target in targets:
            back.setdefault(target, []).append(one)
    seen: set[int] = set()
    for start in edges:
        if start in seen or not edges[start]:
            continue
        seen.add(start)
        left, right = [start], dict.fromkeys(edges[start])
        waiting = list(right)
        while waiting:
            for one in back[waiting.pop()]:
                if one not in seen:
                    seen.add(one)
                    left.append(one)
                    new = [target for target in edges[one] if target not in right]
                    right |= dict.fromkeys(new)
                    waiting += new
        yield sorted(left), sorted(right)


def _cheapest(left: list[int], right: list[int], edges: Mapping[int, Mapping[int, int]]) -> list[tuple[int, int]]:
    """The Hungarian method on a square of costs; what has no edge costs so much that it is taken last."""
    size = max(len(left), len(right))
    costs = [
        [edges[left[i]].get(right[j], _NEVER) if i < len(left) and j < len(right) else _NEVER for j in range(size)]
        for i in range(size)
    ]
    column = _solve(costs)
    return [
        (one, right[column[i]])
        for i, one in enumerate(left)
        if column[i] < len(right) and right[column[i]] in edges[one]
    ]


def _solve(costs: list[list[int]]) -> list[int]:
    """Which column each row takes."""
    size = len(costs)
    row_price, column_price = [0] * (size + 1), [0] * (size + 1)
    taken_by, way = [0] * (size + 1), [0] * (size + 1)
    for row in range(1, size + 1):
        taken_by[0] = row
        column = 0
        least = [_NEVER * size * 4] * (size + 1)
        used = [False] * (size + 1)
        while True:
            used[column] = True
            at, step, following = taken_by[column], _NEVER * size * 4, 0
            for j in range(1, size + 1):
                if used[j]:
                    continue
                cost = costs[at - 1][j - 1] - row_price[at] - column_price[j]
                if cost < least[j]:
                    least[j], way[j] = cost, column
                if least[j] < step:
                    step, following = least[j], j
            for j in range(size + 1):
                if used[j]:
                    row_price[taken_by[j]] += step
                    column_price[j] -= step
                else:
                    least[j] -= step
            column = following
            if taken_by[column] == 0:
                break
        while column:
            taken_by[column] = taken_by[way[column]]
            column = way[column]
    rows = [0] * size
    for j in range(1, size + 1):
        rows[taken_by[j] - 1] = j - 1
    return rows
