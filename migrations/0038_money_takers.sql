-- Who asks a rail about an attempt right now: when he dies, the others need not wait until his time is over.
ALTER TABLE payment_attempt ADD COLUMN asked_by text NULL;
COMMENT ON COLUMN payment_attempt.asked_by IS 'the worker that has asked the rail and has not recorded its answer yet';
CREATE INDEX payment_attempt_being_asked ON payment_attempt (asked_by) WHERE asked_by IS NOT NULL;
