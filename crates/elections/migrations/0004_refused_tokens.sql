-- Which proofs about refused tokens stand: none is said again, whoever mixes last and begins anew.
CREATE TABLE board_refused_tokens (weight BIGINT NOT NULL, first BIGINT NOT NULL, multiples BYTEA NOT NULL, PRIMARY KEY (weight, first));
