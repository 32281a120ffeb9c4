-- The last occurrence of each schedule that was enqueued, and as which job.
CREATE TABLE schedules (schedule TEXT PRIMARY KEY, occurrence BIGINT NOT NULL, job BYTEA NOT NULL);

-- How many attempts a job had, so that one that was given up can be tried again with all of them.
ALTER TABLE jobs_finished ADD COLUMN attempts_max BIGINT NOT NULL DEFAULT 8;
