-- Idempotency keys end; references do not.
--
-- A posting that meets a key reads the key's outcome in its next statement. Were the key purged between the two, the item
-- would be booked anew without a key to remember it. So a purge takes the fence exclusively, as the close of a period does:
-- it waits for postings under way, and those after it find no key at all. What it deletes was looked up before, which keeps
-- the time behind the fence short; and it gives up soon when a posting keeps it waiting, because others wait behind it.
CREATE FUNCTION ledger_purge_keys(p_tenant uuid, p_before timestamptz, p_limit integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = omniroute, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    due uuid[];
    v_gone integer;
BEGIN
    IF p_tenant IS DISTINCT FROM current_tenant() THEN
        RAISE EXCEPTION 'the transaction works for another tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF p_before > now() - interval '24 hours' THEN
        RAISE EXCEPTION 'keys are kept for 24 hours at least' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- One purge a tenant at a time: a second one would wait for the fence, only to find that nothing is left.
    IF NOT pg_try_advisory_xact_lock(hashtextextended(p_tenant::text, 7262)) THEN
        RETURN 0;
    END IF;
    due := ARRAY(SELECT claim_id FROM ledger_claim
                  WHERE kind = 'k' AND uuid_hash(tenant_id) = uuid_hash(p_tenant) AND tenant_id = p_tenant AND claimed_at < p_before
                  ORDER BY claimed_at LIMIT p_limit);
    IF cardinality(due) = 0 THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(ledger_fence(p_tenant));
    DELETE FROM ledger_claim WHERE kind = 'k' AND tenant_id = p_tenant AND claim_id = ANY (due);
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $$;
REVOKE ALL ON FUNCTION ledger_purge_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_purge_keys TO omniroute_worker;
