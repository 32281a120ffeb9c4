-- In which trace an unfinished job was asked for, for those that were traced. A queue has a certain number of slots, and a job has
-- one by its identifier; whoever comes later takes it.
CREATE TABLE job_causes (queue TEXT NOT NULL, slot BIGINT NOT NULL, id BYTEA NOT NULL, trace TEXT NOT NULL, PRIMARY KEY (queue, slot));
