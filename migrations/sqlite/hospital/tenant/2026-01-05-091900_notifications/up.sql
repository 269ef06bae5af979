CREATE TABLE notifications (
    id BLOB NOT NULL PRIMARY KEY,
    recipient BLOB NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('info', 'success', 'warning', 'error')),
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    link TEXT,
    sender BLOB,
    read_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX notifications_recipient_idx ON notifications (recipient, created_at);
