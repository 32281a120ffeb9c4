-- Changed rows of the tables that nodes keep a view of in memory, for the nodes that did not make the change.
CREATE TABLE news (
    batch BIGINT NOT NULL,
    place BIGINT NOT NULL,
    at BIGINT NOT NULL,
    told TEXT NOT NULL,
    deleted BOOLEAN NOT NULL,
    cells BYTEA NOT NULL,
    PRIMARY KEY (batch, place)
);
