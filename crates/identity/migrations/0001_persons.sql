-- Everyone who can sign in. What is personal is sealed or hashed under keys, and erasable.
CREATE TABLE persons (
    id BYTEA PRIMARY KEY,
    number BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    roles BIGINT NOT NULL,
    disabled BOOLEAN NOT NULL,
    login BYTEA NOT NULL,
    name BYTEA NOT NULL,
    password BYTEA,
    created_at BIGINT NOT NULL
);

-- Makes names unique, and finds people by them.
CREATE TABLE login_names (name BYTEA PRIMARY KEY, held BYTEA NOT NULL, person BYTEA NOT NULL);

-- How often all tokens of a person were ended at once; no row means never.
CREATE TABLE person_epochs (number BIGINT PRIMARY KEY, epoch BIGINT NOT NULL);

-- The keys of people's devices, which sign in by signing.
CREATE TABLE device_keys (
    person BYTEA NOT NULL,
    id BYTEA NOT NULL,
    algorithm BIGINT NOT NULL,
    public_key BYTEA NOT NULL,
    label BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (person, id)
);

-- Everyone who is signed in, where.
CREATE TABLE sessions (
    person BYTEA NOT NULL,
    id BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    assurance BIGINT NOT NULL,
    device_bound BOOLEAN NOT NULL,
    PRIMARY KEY (person, id)
);
CREATE INDEX sessions_expired ON sessions (expires_at);

-- Sessions that were ended before their tokens expire.
CREATE TABLE revoked_sessions (expires_at BIGINT NOT NULL, id BYTEA NOT NULL, PRIMARY KEY (expires_at, id));

-- Devices and networks that a person has signed in from before.
CREATE TABLE known_places (
    person BYTEA NOT NULL,
    id BYTEA NOT NULL,
    kind BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (person, id)
);
CREATE INDEX known_places_seen ON known_places (seen_at);

-- People whose erasure has begun and is not finished.
CREATE TABLE erasures (person BYTEA PRIMARY KEY, since BIGINT NOT NULL);

-- Challenges that were signed once and must not be again, until they expire.
CREATE TABLE used_challenges (expires_at BIGINT NOT NULL, nonce BYTEA NOT NULL, PRIMARY KEY (expires_at, nonce));

-- How many of a thing there have been.
CREATE TABLE identity_counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
