-- name: find_organisation
-- Where an organisation is, and what time it is there.
SELECT country, time_zone FROM organisation WHERE tenant_id = %(tenant)s

-- name: insert_schedule
-- A new schedule.
INSERT INTO payment_schedule (tenant_id, schedule_id, reference, state, branch_id, source_account_id, terms, time_zone,
                              country, rail, requested_by, approvals_needed, next_number, next_on, created_at,
                              updated_at)
VALUES (%(tenant)s, %(schedule)s, %(reference)s, 'awaiting_approval', %(branch)s, %(source)s, %(terms)s, %(time_zone)s,
        %(country)s, %(rail)s, %(requested_by)s, %(needed)s, %(next_number)s, %(next_on)s, %(now)s, %(now)s)
RETURNING *

-- name: find_schedule
-- One schedule.
SELECT * FROM payment_schedule WHERE tenant_id = %(tenant)s AND schedule_id = %(schedule)s

-- name: lock_schedule
-- One schedule, held until the transaction ends.
SELECT * FROM payment_schedule WHERE tenant_id = %(tenant)s AND schedule_id = %(schedule)s FOR UPDATE

-- name: take_schedule
-- One schedule, held until the transaction ends, unless somebody else has it.
SELECT * FROM payment_schedule WHERE tenant_id = %(tenant)s AND schedule_id = %(schedule)s FOR UPDATE SKIP LOCKED

-- name: update_schedule
-- Where a schedule stands now.
UPDATE payment_schedule
   SET state = %(state)s, approvals_given = %(given)s, next_number = %(next_number)s, next_on = %(next_on)s,
       next_at = %(next_at)s, ended_at = %(ended_at)s, updated_at = %(now)s, version = version + 1
 WHERE tenant_id = %(tenant)s AND schedule_id = %(schedule)s
RETURNING *

-- name: list_schedules
-- A page of schedules.
-- sort: -created_at = s.created_at::timestamptz
-- then: s.schedule_id::uuid
SELECT s.* FROM payment_schedule s
 WHERE s.tenant_id = %(tenant)s AND (%(state)s::text IS NULL OR s.state = %(state)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: insert_approval
-- One person's word on a schedule. Saying it twice changes nothing.
INSERT INTO payment_schedule_approval (tenant_id, schedule_id, approver, approved, comment, decided_at)
VALUES (%(tenant)s, %(schedule)s, %(approver)s, %(approved)s, %(comment)s, %(now)s)
ON CONFLICT DO NOTHING

-- name: due_schedules
-- Schedules one of whose dates has come, over all organisations; `without` those that could not be planned a moment ago.
SELECT tenant_id, schedule_id FROM payment_schedule
 WHERE state IN ('active', 'paused') AND next_at <= %(now)s AND NOT schedule_id = ANY (%(without)s::uuid[])
 ORDER BY next_at
 LIMIT %(limit)s

-- name: insert_occurrence
-- A date of a schedule whose time has come.
INSERT INTO payment_occurrence (tenant_id, schedule_id, number, nominal_on, due_on, due_at, reference, state, reason,
                                detail, try_at, created_at, updated_at)
VALUES (%(tenant)s, %(schedule)s, %(number)s, %(nominal_on)s, %(due_on)s, %(due_at)s, %(reference)s, %(state)s,
        %(reason)s, %(detail)s, %(try_at)s, %(now)s, %(now)s)

-- name: due_occurrences
-- Dates of schedules that are to be paid, over all organisations; `without` schedules that could not be paid a moment ago.
SELECT tenant_id, schedule_id, number FROM payment_occurrence
 WHERE state = 'due' AND try_at <= %(now)s AND NOT schedule_id = ANY (%(without)s::uuid[])
 ORDER BY try_at
 LIMIT %(limit)s

-- name: lock_occurrence
-- A date that is still to be paid, held until the transaction ends.
SELECT * FROM payment_occurrence
 WHERE tenant_id = %(tenant)s AND schedule_id = %(schedule)s AND number = %(number)s AND state = 'due'
   AND try_at <= %(now)s
   FOR UPDATE

-- name: update_occurrence
-- What became of a date.
UPDATE payment_occurrence
   SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, amount_minor = %(amount)s,
       payment_id = %(payment)s, tries = %(tries)s, try_at = %(try_at)s, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND schedule_id = %(schedule)s AND number = %(number)s

-- name: drop_due
-- Dates that wait to be paid are not paid any more.
UPDATE payment_occurrence
   SET state = 'skipped', reason = %(reason)s, try_at = NULL, updated_at = %(now)s
 WHERE tenant_id = %(tenant)s AND schedule_id = %(schedule)s AND state = 'due'

-- name: list_occurrences
-- A page of what became of the dates of a schedule.
-- sort: -number = o.number::integer unique
-- then: o.schedule_id::uuid
SELECT o.* FROM payment_occurrence o
 WHERE o.tenant_id = %(tenant)s AND o.schedule_id = %(schedule)s
   AND (%(state)s::text IS NULL OR o.state = %(state)s) AND {after}
 ORDER BY {order}
 LIMIT %(limit)s

-- name: calendar_days
-- What the organisation knows better than the calendar of its country.
SELECT day, name, is_open FROM payment_calendar_day
 WHERE tenant_id = %(tenant)s
 ORDER BY day

-- name: cut_off
-- After which local time an order over this rail counts for the next business day.
SELECT at FROM payment_cut_off WHERE tenant_id = %(tenant)s AND rail = %(rail)s

-- name: cut_offs
-- Every cut-off.
SELECT rail, at FROM payment_cut_off WHERE tenant_id = %(tenant)s ORDER BY rail

-- name: forget_days
-- Every day is kept as the country does.
DELETE FROM payment_calendar_day WHERE tenant_id = %(tenant)s

-- name: insert_days
-- Days the organisation keeps otherwise.
INSERT INTO payment_calendar_day (tenant_id, day, name, is_open)
SELECT %(tenant)s, n.day, n.name, n.is_open
  FROM unnest(%(days)s::date[], %(names)s::text[], %(opened)s::boolean[]) AS n (day, name, is_open)

-- name: forget_cut_offs
-- No rail has a cut-off.
DELETE FROM payment_cut_off WHERE tenant_id = %(tenant)s

-- name: insert_cut_offs
-- Cut-offs of rails.
INSERT INTO payment_cut_off (tenant_id, rail, at)
SELECT %(tenant)s, n.rail, n.at FROM unnest(%(rails)s::text[], %(times)s::time[]) AS n (rail, at)

-- name: look_again
-- The calendar has changed: every schedule works out its next date anew.
UPDATE payment_schedule SET next_at = least(next_at, %(now)s)
 WHERE tenant_id = %(tenant)s AND state IN ('active', 'paused')

-- name: next_due
-- When a schedule or one of its dates is due next; for clocks that are set by hand.
SELECT least((SELECT min(next_at) FROM payment_schedule WHERE state IN ('active', 'paused')),
             (SELECT min(try_at) FROM payment_occurrence WHERE state = 'due')) AS next_due
