-- The same key is another request where the run is about another tenant: two that number their requests alike do not
-- get each other's results.
DROP INDEX __tenants_workflows_key;
CREATE UNIQUE INDEX __tenants_workflows_key ON __tenants_workflows (name, replace(lower(tenant_id), '-', '_'), key)
    WHERE state NOT IN ('reverted', 'undone');

-- Runs about a tenant that is gone give nothing any more, whoever has its id now. From here on this is done when it goes.
UPDATE __tenants_workflows SET key = NULL, output = NULL
WHERE state IN ('finished', 'done')
  AND tenant_uuid IN (SELECT uuid FROM __tenants_tenants WHERE status = 'deleted');
