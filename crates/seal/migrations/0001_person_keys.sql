-- Each person's data key, wrapped. Apart from everything that it seals, and from its backups: when the row
-- is gone, so is what the person's sealed data said.
CREATE TABLE person_keys (person BYTEA PRIMARY KEY, wrapped BYTEA NOT NULL);
