"""Group commit: who travels together, who waits for whom, and that nobody is forgotten."""

import asyncio
from collections.abc import Sequence

import pytest

from omniroute.infra.batch import TOLD_AT_ONCE, BatchLimits, GroupCommit, QueueFull


class Flush:
    """Answers each item with its text in capitals; waits at the gate, and stumbles over `poison`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.under_way: list[str] = []
        self.together = 0

    async def __call__(self, lane: str, items: Sequence[str]) -> Sequence[str]:
        assert lane not in self.under_way, "two calls of one lane at one time"
        self.calls.append((lane, list(items)))
        self.under_way.append(lane)
        self.together = max(self.together, len(self.under_way))
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
        finally:
            self.under_way.remove(lane)
        if "poison" in items:
            raise ValueError("poison")
        return [item.upper() for item in items]


async def turns(count: int = 5) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def flush() -> Flush:
    return Flush()


async def test_items_of_one_turn_travel_together(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush)
    assert list(await asyncio.gather(*[group.submit("a", text) for text in "xyz"])) == list("XYZ")
    assert flush.calls == [("a", ["x", "y", "z"])]
    assert (group.flush_count, group.item_count, group.waiting) == (1, 3, 0)


async def test_what_arrives_while_a_call_is_under_way_is_the_next_call(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush)
    flush.gate.clear()
    first = group.submit("a", "1")
    await turns()
    rest = []
    for text in "2345":
        rest.append(group.submit("a", text))
        await turns()
    assert flush.calls == [("a", ["1"])]
    assert group.waiting == 4
    flush.gate.set()
    assert list(await asyncio.gather(first, *rest)) == list("12345")
    assert flush.calls == [("a", ["1"]), ("a", list("2345"))]


async def test_the_next_call_is_on_its_way_before_anybody_hears(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush)
    flush.gate.clear()
    heard: list[int] = []
    first = [group.submit("a", str(i)) for i in range(3 * TOLD_AT_ONCE)]
    for future in first:
        future.add_done_callback(lambda _: heard.append(len(flush.calls)))
    await turns()
    second = group.submit("a", "next")
    flush.gate.set()
    assert await second == "NEXT"
    await asyncio.gather(*first)
    # At most those who are told in the turn in which the next call is made hear before it.
    assert sum(calls == 1 for calls in heard) <= TOLD_AT_ONCE
    assert len(heard) == 3 * TOLD_AT_ONCE


async def test_a_call_takes_no_more_than_its_share(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush, BatchLimits(items_max=2))
    assert list(await asyncio.gather(*[group.submit("a", text) for text in "vwxyz"])) == list("VWXYZ")
    assert [items for _, items in flush.calls] == [["v", "w"], ["x", "y"], ["z"]]


async def test_lanes_take_turns_and_only_some_are_called_at_one_time(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush, BatchLimits(items_max=1, calls_max=2))
    busy = [group.submit("busy", str(i)) for i in range(4)]
    others = [group.submit(lane, "x") for lane in "bcd"]
    await asyncio.gather(*busy, *others)
    assert flush.together == 2
    last_of_the_others = max(i for i, (lane, _) in enumerate(flush.calls) if lane != "busy")
    assert last_of_the_others < len(flush.calls) - 1


async def test_a_first_item_waits_for_companions_if_told_so(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush, BatchLimits(wait_s=0.2, items_max=3))
    first = group.submit("a", "x")
    await turns()
    assert flush.calls == []
    second = group.submit("a", "y")
    third = group.submit("a", "z")  # The call is full: nothing to wait for.
    assert list(await asyncio.gather(first, second, third)) == list("XYZ")
    assert flush.calls == [("a", ["x", "y", "z"])]
    assert await group.submit("a", "alone") == "ALONE"


async def test_one_poisonous_item_hurts_nobody_else_and_the_lane_goes_on(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush)
    items = ["p", "q", "poison", "r", "s"]
    got = await asyncio.gather(*[group.submit("a", item) for item in items], return_exceptions=True)
    assert [str(one) for one in got] == ["P", "Q", "poison", "R", "S"]
    assert isinstance(got[2], ValueError)
    assert await group.submit("a", "after") == "AFTER"


async def test_who_went_away_is_not_served(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush)
    flush.gate.clear()
    first = group.submit("a", "1")
    await turns()
    gone, stays = group.submit("a", "2"), group.submit("a", "3")
    gone.cancel()
    flush.gate.set()
    assert list(await asyncio.gather(first, stays)) == ["1", "3"]
    assert flush.calls[1:] == [("a", ["3"])]
    alone = group.submit("a", "4")
    alone.cancel()
    await turns()
    assert await group.submit("a", "5") == "5"
    assert [item for _, items in flush.calls for item in items] == ["1", "3", "5"]


async def test_a_full_queue_says_whose_share_is_used_up(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush, BatchLimits(queue_max=3, lane_queue_max=2))
    kept = [group.submit("a", "1"), group.submit("a", "2")]
    with pytest.raises(QueueFull) as full:
        group.submit("a", "3")
    assert full.value.lane_full
    kept.append(group.submit("b", "1"))
    with pytest.raises(QueueFull) as full:
        group.submit("b", "2")
    assert not full.value.lane_full
    assert list(await asyncio.gather(*kept)) == ["1", "2", "1"]


async def test_closing_finishes_what_waits_and_takes_nothing_more(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush, BatchLimits(items_max=40))
    flush.gate.clear()
    waiting = [group.submit("a", str(i)) for i in range(100)]
    await turns()
    closing = asyncio.create_task(group.close())
    await turns()
    with pytest.raises(QueueFull):
        group.submit("a", "late")
    flush.gate.set()
    await closing
    assert all(future.done() for future in waiting)
    assert [future.result() for future in waiting] == [str(i) for i in range(100)]


async def test_a_lane_with_a_pace_rests_after_a_call_and_collects(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush, BatchLimits(pace_s=0.05))
    assert await group.submit("a", "first") == "FIRST"
    rest = []
    for text in "234":
        rest.append(group.submit("a", text))
        await turns()
    other = await group.submit("b", "other")
    assert other == "OTHER", "another lane does not rest"
    assert list(await asyncio.gather(*rest)) == list("234")
    assert flush.calls == [("a", ["first"]), ("b", ["other"]), ("a", ["2", "3", "4"])]


async def test_a_full_call_does_not_rest(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush, BatchLimits(pace_s=3_600, items_max=2))
    assert await group.submit("a", "1") == "1"
    assert list(await asyncio.gather(group.submit("a", "2"), group.submit("a", "3"))) == ["2", "3"]
    flush.gate.clear()
    waiting = [group.submit("a", text) for text in "4567"]
    await turns()
    flush.gate.set()
    assert list(await asyncio.gather(*waiting)) == list("4567")
    assert flush.calls == [("a", ["1"]), ("a", ["2", "3"]), ("a", ["4", "5"]), ("a", ["6", "7"])]


async def test_closing_wakes_a_lane_that_rests(flush: Flush) -> None:
    group: GroupCommit[str, str, str] = GroupCommit(flush, BatchLimits(pace_s=3_600))
    await group.submit("a", "1")
    last = group.submit("a", "2")
    await turns()
    assert not last.done()
    await group.close()
    assert last.result() == "2"
