CREATE TABLE daily_metrics (
    id BLOB NOT NULL PRIMARY KEY,
    day DATE NOT NULL,
    metric TEXT NOT NULL,
    value BIGINT NOT NULL,
    computed_at TIMESTAMP NOT NULL,
    UNIQUE (day, metric)
);
