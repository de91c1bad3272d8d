"""What is collected by authority, over HTTP: recorded one by one or many at once, looked at, taken back."""

from uuid import UUID

from omniroute.api.atc_collections_shapes import (
    BODY,
    EXAMPLE,
    EXAMPLE_LEVEL,
    REVERSED,
    CollectionLevelsOut,
    CollectionOut,
    CollectionsIn,
    RecordCollectionIn,
    RecordCollectionsIn,
    RecordedManyOut,
    RecordedOut,
    ReverseCollectionIn,
    collection_out,
    command_in,
    levels_out,
)
from omniroute.api.call import Call
from omniroute.api.errors import InvalidField
from omniroute.api.operations import Reply, operation
from omniroute.api.problems import problem_body
from omniroute.api.shapes import PageOut, page, parse_id
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.refusal import Refusal
from omniroute.money import atc
from omniroute.money.atc import CollectionRequest, NotRecorded, Recorded, RecordOutcome, SettlementStatus
from omniroute.parties.access import Permission

_COLLECTIONS = "/v1/{tenant}/atc-collections"
_COLLECTION = _COLLECTIONS + "/{atc_collection}"
_TAG = "Authority to collect"
_REPLAYED = (("idempotency-replayed", "true"),)
_RECORDING = (
    "atc.malformed_collection", "atc.collection_reference_taken", "atc.not_found", "atc.no_authority",
    "atc.authority_unclear", "atc.not_in_force", "atc.outside_scope", "atc.wrong_payer", "atc.above_maximum",
    "atc.cumulative_limit_reached", "atc.credit_unknown", "atc.credit_not_usable", "atc.not_covered",
    "collections.credit_spent", "collections.credit_ambiguous", "collections.currency_differs",
    "collections.wrong_state", "partners.not_found", "idempotency.key_reused", "atc.busy",
)  # fmt: skip


def key_of(call: Call, key: str) -> UUID:
    """What an idempotency key stands for here. An application keeps its keys over the rotation of its credentials."""
    caller = call.caller
    owner = caller.subject if caller.application_id is None else f"app:{caller.application_id}"
    return atc.collection_key(owner, key)


def own_reference(key: UUID) -> str:
    """The reference of a collection that came without one: the same key makes the same."""
    return f"COL-{ids.show('col', key)[4:].upper()}"


def request_in(call: Call, command: atc.RecordCollection, key: UUID | None) -> CollectionRequest:
    """A collection on behalf of who calls."""
    return CollectionRequest(command, call.caller.subject, call.meta, key)


@operation(
    "POST", _COLLECTIONS, tag=_TAG, status=201, permission=Permission.ATC_COLLECT, whole=True, body=RecordCollectionIn,
    reply=CollectionLevelsOut, idempotent=True, key_kept_by="ledger", transaction=False, statuses=(200,),
    refusals=_RECORDING, example=BODY, example_reply=EXAMPLE,
)  # fmt: skip
async def record_atc_collection(call: Call, body: RecordCollectionIn) -> Reply:
    """Record what was collected.

    Commissions of all levels are earned, and the root grantor is owed the rest, at once. The same reference with the
    same content is the same collection, and so is the same key: a repeat gets 200. What is refused leaves no trace, so
    that both may be used again.
    """
    assert call.key is not None
    key = key_of(call, call.key)
    request = request_in(call, command_in(body, own_reference(key)), key)
    outcome = await call.services.recorder.record(call.tenant_id, request)
    if isinstance(outcome, NotRecorded):
        raise outcome.refusal
    if outcome.replayed:
        return Reply(levels_out(outcome.levels), status=200, headers=_REPLAYED)
    return Reply(levels_out(outcome.levels))


@operation(
    "POST", _COLLECTIONS + "/many", tag=_TAG, permission=Permission.ATC_COLLECT, whole=True, body=RecordCollectionsIn,
    reply=RecordedManyOut, idempotent=True, key_kept_by="ledger", transaction=False, example={"collections": [BODY]},
    example_reply={"recorded": 1, "refused": 0, "results": [{"outcome": "recorded", "collection": EXAMPLE}]},
)  # fmt: skip
async def record_atc_collections(call: Call, body: RecordCollectionsIn) -> RecordedManyOut:
    """Record up to 500 collections, each for itself.

    References make a repeat harmless: what is recorded already is answered as `replayed`.
    """
    prepared: list[CollectionRequest | Refusal] = []
    for place, item in enumerate(body.collections):
        try:
            key = key_of(call, f"{call.key}\n{item.reference or place}")
            prepared.append(request_in(call, command_in(item, own_reference(key)), key))
        except Refusal as refusal:
            refusal.facts["pointer"] = f"/collections/{place}"
            prepared.append(refusal)
    asked = [one for one in prepared if isinstance(one, CollectionRequest)]
    outcomes = iter(await call.services.recorder.record_all(call.tenant_id, asked) if asked else ())
    results = [_result(NotRecorded(one) if isinstance(one, Refusal) else next(outcomes)) for one in prepared]
    refused = sum(one.outcome == "refused" for one in results)
    return RecordedManyOut(recorded=len(results) - refused, refused=refused, results=results)


def _result(outcome: RecordOutcome) -> RecordedOut:
    if isinstance(outcome, Recorded):
        return RecordedOut(outcome="recorded", replayed=outcome.replayed, collection=levels_out(outcome.levels))
    return RecordedOut(outcome="refused", problem=problem_body(outcome.refusal))


@operation(
    "GET", _COLLECTIONS, tag=_TAG, permission=Permission.ATC_READ, query=CollectionsIn, reply=PageOut[CollectionOut],
    sorts=atc.COLLECTIONS.sorts, refusals=("kit.malformed_id",), example_query={"settlement_status": "pending"},
    example_reply={"items": [EXAMPLE_LEVEL], "next_cursor": None},
)  # fmt: skip
async def list_atc_collections(call: Call, tx: Tx, query: CollectionsIn) -> PageOut[CollectionOut]:
    """List what was collected, each level by itself, the latest first."""
    if query.created_from is not None and query.created_to is not None and query.created_to < query.created_from:
        raise InvalidField("created_to is before created_from", pointer="/created_to")
    found = await atc.list_collections(
        tx,
        grant_id=parse_id("atc", query.grant),
        grantee_id=parse_id("ptn", query.collector),
        collected_from_id=parse_id("ptn", query.payer),
        settlement_batch_id=parse_id("stl", query.settlement_batch),
        status=None if query.settlement_status is None else SettlementStatus(query.settlement_status),
        reference=query.reference,
        created_from=query.created_from,
        created_to=query.created_to,
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, collection_out)


@operation(
    "GET", _COLLECTION, tag=_TAG, permission=Permission.ATC_READ, reply=CollectionLevelsOut,
    refusals=("atc.collection_not_found",), example_reply=EXAMPLE,
)  # fmt: skip
async def get_atc_collection(call: Call, tx: Tx) -> CollectionLevelsOut:
    """Show a collection with all its levels, by the id of any of them."""
    return levels_out(await atc.find_collection(tx, call.id("atc_collection")))


@operation(
    "POST", _COLLECTION + "/reverse", tag=_TAG, permission=Permission.ATC_APPROVE, whole=True,
    body=ReverseCollectionIn, reply=CollectionLevelsOut, idempotent=True,
    refusals=("atc.malformed", "atc.collection_not_found", "atc.collection_reversed", "atc.collection_in_settlement",
              "atc.collection_remitted", "atc.collection_spent"),
    example={"reason": "the cheque bounced"},
    example_reply=EXAMPLE | REVERSED | {"levels": [EXAMPLE_LEVEL | REVERSED]},
)  # fmt: skip
async def reverse_atc_collection(call: Call, tx: Tx, body: ReverseCollectionIn) -> Reply:
    """Take a whole collection back, on all levels, while it is in no settlement and nothing of it was remitted.

    Commissions, what the grantor is owed and what counts against limits go back, and a credit that paid is free again.
    """
    levels = await atc.reverse_collection(
        tx,
        call.id("atc_collection"),
        reason=body.reason,
        actor=call.caller.subject,
        now=call.now,
        today=call.today,
        meta=call.meta,
    )
    return Reply(levels_out(levels))
