-- Hash of the versions and checksums in the tenant's own ledger, as it was last read or written. NULL: not known.
ALTER TABLE __tenants_tenants ADD COLUMN ledger_digest TEXT;

-- Runs of one operation over many tenants, which any number of processes work on together.
CREATE TABLE __tenants_runs (
    id               BLOB    PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    kind             TEXT    NOT NULL,
    target_version   TEXT,             -- the newest migration
    target_digest    TEXT    NOT NULL, -- of the whole set
    selection        TEXT    NOT NULL, -- which tenants were asked for; with the target, what makes two runs the same
    waves            BIGINT  NOT NULL,
    failures_allowed BIGINT,           -- the run stops at the next one; NULL: never
    canaries_may_fail INTEGER NOT NULL,
    instance         BLOB    NOT NULL CHECK (length(instance) = 16), -- who began it
    started_at       BIGINT  NOT NULL,
    finished_at      BIGINT,
    outcome          TEXT,             -- set before it is finished where it was stopped
    up_to_date       BIGINT  NOT NULL,
    total            BIGINT  NOT NULL,
    done             BIGINT  NOT NULL,
    failed           BIGINT  NOT NULL,
    skipped          BIGINT  NOT NULL
);

-- One run of a kind at a time.
CREATE UNIQUE INDEX __tenants_runs_open ON __tenants_runs (kind) WHERE finished_at IS NULL;

-- The tenants of a run. What is deleted or was never finished stays in the report, so these refer to no tenant's row.
CREATE TABLE __tenants_run_tenants (
    run_id       BLOB    NOT NULL REFERENCES __tenants_runs (id) ON DELETE CASCADE,
    position     BIGINT  NOT NULL,
    tenant_uuid  BLOB    NOT NULL CHECK (length(tenant_uuid) = 16),
    tenant_id    TEXT    NOT NULL,
    wave         BIGINT  NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'running', 'done', 'failed', 'skipped')),
    worker       BLOB    CHECK (length(worker) = 16), -- who has claimed it
    attempts     BIGINT  NOT NULL,
    from_version TEXT,
    to_version   TEXT,
    applied      TEXT    NOT NULL, -- versions, separated by commas
    duration     BIGINT,           -- milliseconds
    overran      INTEGER NOT NULL,
    error_kind   TEXT,
    error        TEXT,
    PRIMARY KEY (run_id, position)
) WITHOUT ROWID;

CREATE INDEX __tenants_run_tenants_state ON __tenants_run_tenants (run_id, state, wave, position);

-- Who is at work on a run. One whose instance is dead, or that its instance has given up, is at work no more.
CREATE TABLE __tenants_run_workers (
    id       BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    run_id   BLOB NOT NULL REFERENCES __tenants_runs (id) ON DELETE CASCADE,
    instance BLOB NOT NULL CHECK (length(instance) = 16)
);
