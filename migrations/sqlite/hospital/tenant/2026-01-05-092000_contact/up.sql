CREATE TABLE contact_messages (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    phone TEXT,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    handled_by BLOB,
    handled_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL
);
