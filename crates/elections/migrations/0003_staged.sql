-- What trustees have sent piece by piece and not named yet, so that it can be cleared away.
CREATE TABLE board_staged (trustee BIGINT NOT NULL, hash BYTEA NOT NULL, pieces BIGINT NOT NULL, PRIMARY KEY (trustee, hash));
