CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    description TEXT,
    updated_by BLOB,
    updated_at TIMESTAMP NOT NULL
);

CREATE TABLE number_sequences (
    kind TEXT NOT NULL,
    period TEXT NOT NULL,
    next BIGINT NOT NULL CHECK (next >= 1),
    PRIMARY KEY (kind, period)
);
