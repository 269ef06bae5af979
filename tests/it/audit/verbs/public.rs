//! Which verbs there are, and which of them leave nothing.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Verbs that leave nothing: they change nothing and let nothing out.
pub(super) const QUIET: &[&str] = &[
    "acting",
    "acting_as",
    "audit_batch",
    "audit_entries",
    "audit_head",
    "backup_is_there",
    "backups",
    "backups_of_set",
    "break_glass_max",
    "builder",
    "buried",
    "busy_timeout",
    "certificate",
    "clock_jump",
    "dangerously_allow_any_file_system",
    "data_directory",
    "database_file",
    "disk_space",
    "drain_timeout",
    "due",
    "fleet_run",
    "fleet_runs",
    "generation_file",
    "freshness",
    "handle",
    "handle_at",
    "handle_of",
    "health",
    "health_of_all",
    "ids_ever_taken",
    "init",
    "inspect",
    "leftovers",
    "membership",
    "migration_status",
    "old_generations",
    "orphans",
    "plan_fleet",
    "plan_quota",
    "plan_repair",
    "pool",
    "query_stats",
    "reap_idle",
    "reclaimable",
    "reference_lists",
    "reference_status",
    "role_of",
    "routes",
    "schema_policy",
    "shared",
    "shared_file",
    "shared_migrations",
    "sqlite",
    "stats",
    "tenant_migrations",
    "tenants",
    "try_handle",
    "try_handle_at",
    "try_handle_of",
    "undead",
    "unfinished",
    "unfinished_workflows",
    "usage",
    "verify_audit",
    "verify_audit_against",
    "workflow",
];

/// The names of all public functions of `Tenancy` and `Builder`, as they stand in the sources.
pub(super) fn public_verbs() -> BTreeSet<String> {
    fn files(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files(&path, found),
                false => found.push(path),
            }
        }
    }
    let mut sources = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut sources,
    );
    let mut verbs = BTreeSet::new();
    for path in sources {
        let mut of_ours = false;
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            if line.starts_with("impl") {
                of_ours = [" Tenancy<", " Builder<"]
                    .iter()
                    .any(|ours| line.contains(ours))
                    && !line.contains(" for ");
            }
            if let Some(verb) = line.strip_prefix("    pub fn ")
                && of_ours
            {
                verbs.insert(verb.split(['(', '<']).next().unwrap().to_owned());
            }
        }
    }
    verbs
}
