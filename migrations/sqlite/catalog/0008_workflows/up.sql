-- Runs of workflows: work on the shared database and on a tenant's. What a run was given, and what its steps and itself
-- made, may be personal data: it is taken out when the run is over, but for the result, which stays for as long as the
-- same key must give the same answer.
CREATE TABLE __tenants_workflows (
    id          BLOB   PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    name        TEXT   NOT NULL,
    key         TEXT,                                       -- the caller's own, if the run may be asked for again
    tenant_id   TEXT   NOT NULL,
    tenant_uuid BLOB   CHECK (length(tenant_uuid) = 16),    -- NULL until the tenant is there
    instance    BLOB   NOT NULL CHECK (length(instance) = 16),
    -- finished and reverted: it is over, what its steps left in the tenant is not taken out yet
    state       TEXT   NOT NULL CHECK (state IN ('running', 'finished', 'done', 'reverted', 'undone', 'stuck')),
    input       TEXT,
    digest      BLOB   NOT NULL CHECK (length(digest) = 32), -- of the input, with the id, which nobody can guess
    output      TEXT,
    started_at  BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    forget_at   BIGINT,
    failed_step TEXT,
    failure     TEXT
);
CREATE UNIQUE INDEX __tenants_workflows_key ON __tenants_workflows (name, key) WHERE state NOT IN ('reverted', 'undone');
CREATE INDEX __tenants_workflows_open ON __tenants_workflows (started_at) WHERE state NOT IN ('done', 'undone');
CREATE INDEX __tenants_workflows_forget ON __tenants_workflows (forget_at);

-- Steps a run has done in the shared database; those in the tenant's stand there.
CREATE TABLE __tenants_workflow_journal (
    run    BLOB    NOT NULL REFERENCES __tenants_workflows (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    step   TEXT    NOT NULL,
    phase  TEXT    NOT NULL CHECK (phase IN ('begun', 'done', 'undone')),
    result TEXT,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
