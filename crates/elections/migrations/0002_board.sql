-- How an election stands: one row.
CREATE TABLE board_states (
    part BIGINT PRIMARY KEY,
    phase BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    trustees BIGINT NOT NULL,
    threshold BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    votes BIGINT NOT NULL,
    checked BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    decrypted BIGINT NOT NULL,
    closes_at BIGINT
);

-- The manifest: one row.
CREATE TABLE board_manifests (part BIGINT PRIMARY KEY, manifest TEXT NOT NULL, hash BYTEA NOT NULL);

-- What trustees said in a ceremony.
CREATE TABLE board_said (
    attempt BIGINT NOT NULL,
    step BIGINT NOT NULL,
    trustee BIGINT NOT NULL,
    said BYTEA NOT NULL,
    PRIMARY KEY (attempt, step, trustee)
);

-- Attempts at a ceremony that failed, and who is to blame, as JSON.
CREATE TABLE board_voids (attempt BIGINT PRIMARY KEY, faults BYTEA NOT NULL);

-- Where a vote stands, by its tracker, and which of whose votes it is. Trackers of one voter begin alike, so theirs are found without an index
-- of their own, which would be one more page to write for each vote.
CREATE TABLE board_votes (tracker BYTEA PRIMARY KEY, "index" BIGINT NOT NULL, voter BYTEA NOT NULL, sequence BIGINT NOT NULL);

-- Runs of votes that were checked, with those that were refused, as JSON.
CREATE TABLE board_verdicts (first BIGINT PRIMARY KEY, past BIGINT NOT NULL, "index" BIGINT NOT NULL, refused BYTEA NOT NULL);

-- Lists that were mixed.
CREATE TABLE board_mixes (list BIGINT NOT NULL, mixer BIGINT NOT NULL, rows_out BIGINT NOT NULL, output BYTEA NOT NULL, proof BYTEA NOT NULL, PRIMARY KEY (list, mixer));

-- Weights whose redeemed tokens were proven.
CREATE TABLE board_redeemed (weight BIGINT PRIMARY KEY, multiples BYTEA NOT NULL);

-- Lists to be decrypted, as JSON: one row.
CREATE TABLE board_lists (part BIGINT PRIMARY KEY, lists BYTEA NOT NULL);

-- Trustees' parts of the decryption, as JSON: those that hold, and the last that did not.
CREATE TABLE board_decrypted (trustee BIGINT PRIMARY KEY, holds BOOLEAN NOT NULL, partials BYTEA NOT NULL);

-- What was counted, as JSON: one row.
CREATE TABLE board_counted (part BIGINT PRIMARY KEY, counted BYTEA NOT NULL, at BIGINT NOT NULL);

-- What is too large for an entry, by its hash, in pieces.
CREATE TABLE board_blobs (hash BYTEA NOT NULL, piece BIGINT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (hash, piece));
