-- Lists that are pushed to every tenant, with every version that ever was: a version has one content.
CREATE TABLE __tenants_reference_lists (
    name         TEXT   NOT NULL,
    version      BIGINT NOT NULL CHECK (version >= 1),
    digest       BLOB   NOT NULL CHECK (length(digest) = 32),
    announced_at BIGINT NOT NULL,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;

-- What was last seen in the tenants' databases, which have the last word. It holds for the generation it was seen in.
CREATE TABLE __tenants_reference_tenants (
    tenant_uuid BLOB   NOT NULL REFERENCES __tenants_tenants (uuid),
    name        TEXT   NOT NULL,
    generation  BIGINT NOT NULL CHECK (generation >= 1),
    version     BIGINT NOT NULL CHECK (version >= 1),
    applied_at  BIGINT NOT NULL,
    PRIMARY KEY (name, tenant_uuid)
) WITHOUT ROWID;
