-- name: insert_rate
-- One more rate; earlier ones stay.
INSERT INTO ledger_rate (tenant_id, rate_id, base, quote, rate, valid_from, source, recorded_at)
VALUES (%(tenant)s, %(id)s, %(base)s, %(quote)s, %(rate)s, %(valid_from)s, %(source)s, %(now)s)

-- name: find_rate
-- The rate of a pair at an instant, in either direction: the latest valid one, of several the last recorded.
SELECT rate_id, base, quote, rate, valid_from, source, recorded_at FROM ledger_rate
 WHERE tenant_id = %(tenant)s AND ((base = %(base)s AND quote = %(quote)s) OR (base = %(quote)s AND quote = %(base)s)) AND valid_from <= %(at)s
 ORDER BY valid_from DESC, rate_id DESC LIMIT 1

-- name: list_rates
-- A page of rates.
-- sort: -recorded_at = recorded_at::timestamptz
-- sort: valid_from = valid_from::timestamptz
-- then: rate_id::uuid
SELECT rate_id, base, quote, rate, valid_from, source, recorded_at FROM ledger_rate
 WHERE tenant_id = %(tenant)s AND (%(base)s::text IS NULL OR base = %(base)s::text) AND (%(quote)s::text IS NULL OR quote = %(quote)s::text)
   AND {after}
 ORDER BY {order} LIMIT %(limit)s

-- name: insert_quote
-- A promise.
INSERT INTO ledger_quote (tenant_id, quote_id, rate_id, inverse, sell_minor, sell_currency, buy_minor, buy_currency, rate, rounding, quoted_at, expires_at)
VALUES (%(tenant)s, %(id)s, %(rate_id)s, %(inverse)s, %(sell_minor)s, %(sell_currency)s, %(buy_minor)s, %(buy_currency)s, %(rate)s, %(rounding)s, %(now)s, %(expires_at)s)

-- name: find_quote
-- One quote.
SELECT quote_id, rate_id, inverse, sell_minor, sell_currency, buy_minor, buy_currency, rate, rounding, quoted_at, expires_at FROM ledger_quote
 WHERE tenant_id = %(tenant)s AND quote_id = %(id)s

-- name: lock_positions
-- One exchange at a time in these currencies; later ones wait here and hold nothing yet.
SELECT pg_advisory_xact_lock(key) FROM (
    SELECT hashtextextended(%(tenant)s::text || c, 7264) AS key FROM unnest(%(currencies)s::text[]) u(c) ORDER BY 1) k
