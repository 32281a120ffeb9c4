-- Elections as their officers mean them to be. What happened stands on each election's own board.
CREATE TABLE elections (
    id BYTEA PRIMARY KEY,
    stage BIGINT NOT NULL,
    definition BYTEA NOT NULL,
    trustees BYTEA NOT NULL,
    threshold BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    voters BIGINT NOT NULL,
    asked_to BIGINT NOT NULL,
    asked_votes BIGINT NOT NULL,
    asked_tally BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Who may vote in which election, by keyed hash alone.
CREATE TABLE roll_lines (election BYTEA NOT NULL, voter BYTEA NOT NULL, weight BIGINT NOT NULL, PRIMARY KEY (election, voter));

-- Who has got a token: what they asked with, which says nothing of the vote.
CREATE TABLE tokens_issued (election BYTEA NOT NULL, voter BYTEA NOT NULL, blinded BYTEA NOT NULL, PRIMARY KEY (election, voter));

-- How many may vote, and how many have got a token, by weight.
CREATE TABLE weight_counts (election BYTEA NOT NULL, weight BIGINT NOT NULL, voters BIGINT NOT NULL, issued BIGINT NOT NULL, PRIMARY KEY (election, weight));
