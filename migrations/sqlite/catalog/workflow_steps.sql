-- In a tenant's database: which steps of which runs were done here, written in the same transaction as what they did.
-- A step that is `void` was not done and never will be: whoever undid the run said so.
CREATE TABLE __tenants_workflow_steps (
    run    BLOB    NOT NULL CHECK (length(run) = 16),
    number INTEGER NOT NULL,
    step   TEXT    NOT NULL,
    phase  TEXT    NOT NULL CHECK (phase IN ('done', 'undone', 'void')),
    result TEXT,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
