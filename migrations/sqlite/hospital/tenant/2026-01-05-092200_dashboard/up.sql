CREATE TABLE dashboard_widgets (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL,
    widget TEXT NOT NULL,
    position INTEGER NOT NULL,
    visible BOOLEAN NOT NULL DEFAULT TRUE,
    options TEXT NOT NULL,
    updated_at TIMESTAMP,
    UNIQUE (user_id, widget)
);
