"""Laws of one client: any history, cut into any batches, is what the oracle says."""

from hypothesis import HealthCheck, given, settings

from omniroute.infra.postgres import Database
from tests.laws.histories import Change, History, Step, histories
from tests.laws.invariants import check_invariants

bounded = settings(
    max_examples=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@bounded
@given(history=histories)
async def test_law_05_a_batch_is_its_items_one_by_one(
    app_db: Database, owner_db: Database, history: list[list[Step] | Change]
) -> None:
    """Also laws 1 (conservation), 2 (fold), 3 (versions), 4 (limits after every prefix), 8 (holds), 18 (events)."""
    played = await History.begin(app_db)
    await played.play(history)
    await check_invariants(owner_db, played.books.tenant_id)
