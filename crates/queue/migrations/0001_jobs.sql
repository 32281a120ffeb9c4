-- Work that outlives the request that asked for it, until it is done or given up.
CREATE TABLE jobs (
    queue TEXT NOT NULL,
    id BYTEA NOT NULL,
    name TEXT NOT NULL,
    payload BYTEA NOT NULL,
    priority BIGINT NOT NULL,
    attempts_max BIGINT NOT NULL,
    unique_key TEXT,
    run_at BIGINT NOT NULL,
    enqueued_at BIGINT NOT NULL,
    PRIMARY KEY (queue, id)
);

-- At most one unfinished job has a key.
CREATE TABLE job_keys (queue TEXT NOT NULL, unique_key TEXT NOT NULL, id BYTEA NOT NULL, PRIMARY KEY (queue, unique_key));

-- The last jobs that were done, and the last that were given up; the oldest go.
CREATE TABLE jobs_finished (
    queue TEXT NOT NULL,
    outcome BIGINT NOT NULL,
    place BIGINT NOT NULL,
    id BYTEA NOT NULL,
    name TEXT NOT NULL,
    payload BYTEA NOT NULL,
    result BYTEA NOT NULL,
    attempts BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (queue, outcome, place)
);

-- How many jobs of a queue have ended, and how.
CREATE TABLE job_counts (queue TEXT PRIMARY KEY, done BIGINT NOT NULL, dead BIGINT NOT NULL);

-- Jobs whose time has come, in the order in which they are taken.
CREATE TABLE jobs_ready (
    queue TEXT NOT NULL,
    turn BIGINT NOT NULL,
    id BYTEA NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (queue, turn, id)
);

-- Jobs whose time has not come.
CREATE TABLE jobs_delayed (
    queue TEXT NOT NULL,
    run_at BIGINT NOT NULL,
    id BYTEA NOT NULL,
    turn BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    failure TEXT,
    PRIMARY KEY (queue, run_at, id)
);

-- Jobs that a worker is at, and until when it is believed to be.
CREATE TABLE job_leases (
    queue TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    id BYTEA NOT NULL,
    token BYTEA NOT NULL,
    worker TEXT NOT NULL,
    turn BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    PRIMARY KEY (queue, expires_at, id)
);

-- How far the job that a worker is at has come.
CREATE TABLE job_progress (queue TEXT NOT NULL, id BYTEA NOT NULL, percent BIGINT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (queue, id));

-- How each queue is run now.
CREATE TABLE queues (
    queue TEXT PRIMARY KEY,
    paused BOOLEAN NOT NULL,
    held BOOLEAN NOT NULL,
    leased BIGINT NOT NULL,
    second BIGINT NOT NULL,
    taken_in_second BIGINT NOT NULL
);
