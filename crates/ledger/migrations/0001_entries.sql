-- What happened, one row a command, in order; never changed but for the erasable part.
CREATE TABLE entries (
    "index" BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    command TEXT NOT NULL,
    actor TEXT NOT NULL,
    subject BYTEA,
    salt BYTEA NOT NULL,
    body BYTEA NOT NULL,
    erasable BYTEA,
    effect BYTEA NOT NULL
);

-- Finds what is told to somebody about themselves, and what their erasure takes away.
CREATE INDEX entries_about ON entries (subject, "index") WHERE subject IS NOT NULL;

-- Who was erased: their erasable parts are gone, here and from whatever is restored.
CREATE TABLE erased (person BYTEA PRIMARY KEY, entry BIGINT NOT NULL);

-- The Merkle tree's hashes, in the tiles of C2SP tlog-tiles: 256 a row.
CREATE TABLE tiles (
    level BIGINT NOT NULL,
    "index" BIGINT NOT NULL,
    hashes BYTEA NOT NULL,
    PRIMARY KEY (level, "index")
);

-- What was answered to a request that carried an Idempotency-Key, by the day it came.
CREATE TABLE idempotency (
    day BIGINT NOT NULL,
    key BYTEA NOT NULL,
    body BYTEA NOT NULL,
    entry BIGINT NOT NULL,
    done BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (day, key)
);
