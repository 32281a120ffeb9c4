-- How much a roll weighs, so that it does not outgrow what can be counted.
ALTER TABLE elections ADD COLUMN weighted BIGINT NOT NULL DEFAULT 0;
