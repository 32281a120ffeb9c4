//! What pgbench runs.

/// A session and the challenge that was signed for it, as a sign-in writes them.
pub(super) const SIGN_IN: &str = "
BEGIN;
INSERT INTO used_challenges VALUES ((random() * 1e12)::bigint, uuid_send(gen_random_uuid()));
INSERT INTO sessions VALUES
    (uuid_send(gen_random_uuid()), uuid_send(gen_random_uuid()), (random() * 1e12)::bigint, 0, 2, FALSE);
COMMIT;
";

/// Their tables, as identity has them.
pub(super) const TABLES: &str = "
CREATE TABLE sessions (
    person BYTEA NOT NULL, id BYTEA NOT NULL, expires_at BIGINT NOT NULL, epoch BIGINT NOT NULL,
    assurance BIGINT NOT NULL, device_bound BOOLEAN NOT NULL, PRIMARY KEY (person, id)
);
CREATE INDEX sessions_expired ON sessions (expires_at);
CREATE TABLE used_challenges (expires_at BIGINT NOT NULL, nonce BYTEA NOT NULL, PRIMARY KEY (expires_at, nonce));
";
