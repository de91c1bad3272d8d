-- Work that is due stands in lanes: of an organisation, over a connection, single payments apart from those of batches.
-- Who takes work takes it from the lanes in turn, so that one with a hundred thousand payments delays nobody else's.
-- Internal transfers know no connection: theirs is the lane of the nil UUID.

CREATE FUNCTION payment_lane(connection_ids uuid[], candidate smallint) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(connection_ids[candidate + 1], '00000000-0000-0000-0000-000000000000'::uuid);
GRANT EXECUTE ON FUNCTION payment_lane(uuid[], smallint) TO omniroute_app, omniroute_worker;

CREATE INDEX payment_lanes ON payment (
    tenant_id,
    (payment_lane(connection_ids, candidate)),
    (batch_id IS NOT NULL),
    send_after,
    payment_id
) WHERE state IN ('approved', 'scheduled') AND NOT paused;
DROP INDEX payment_due;

CREATE INDEX payment_attempt_lanes ON payment_attempt (tenant_id, connection_id, next_query_at, attempt_id)
    WHERE state IN ('pending', 'unknown', 'succeeded') AND next_query_at IS NOT NULL;
DROP INDEX payment_attempt_to_ask;
