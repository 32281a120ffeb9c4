-- Which key file a database was made with, and which databases belong together: a lost one is noticed.
CREATE TABLE deployment_marks (name TEXT PRIMARY KEY, value BYTEA NOT NULL);
