//! Everything the library enters by itself.

/// The actions the library enters into the audit log by itself, and when it does. An application's own, of
/// [`AuditNote::new`](super::AuditNote::new), begin with other words.
///
/// For an operation on a tenant, `begin` is entered in the transaction that begins it, before anything is done; `commit`
/// in the one from which on it holds; `undo` where it failed and the tenant has what it had before; `settled` where
/// somebody else than the call that began it, or that call after a failure, brought it to an end. `subject` is the
/// operation in all of them.
pub const ACTIONS: &[(&str, &str)] = &[
    ("audit.export", "before entries are written out"),
    (
        "audit.prune",
        "in the transaction that takes old entries away",
    ),
    (
        "backup.begin",
        "before a database is copied; `why` says for what",
    ),
    (
        "backup.commit",
        "when the backup counts, with its bytes and digest",
    ),
    (
        "backup.found",
        "a backup is on the disk that a restored catalogue had not known",
    ),
    ("backup.pin", "with the change"),
    ("backup.remove", "before its files are removed"),
    (
        "backup.undo",
        "a backup that failed, or whose process died, is taken out",
    ),
    ("backup.unpin", "with the change"),
    (
        "backup.verify",
        "after a backup was looked into; `sound` says how it is",
    ),
    (
        "backup-set.begin",
        "before the first database of a set is copied",
    ),
    (
        "backup-set.commit",
        "when the set counts; `complete` says whether it has everything",
    ),
    ("backup-set.found", "as `backup.found`"),
    (
        "backup-set.remove",
        "before the manifest of a set without members is removed",
    ),
    (
        "backup-set.undo",
        "a set that failed, or whose process died, is taken out; its members stay",
    ),
    ("break-glass.close", "with the end of the grant"),
    (
        "break-glass.expire",
        "when it is noticed that its time is over",
    ),
    (
        "break-glass.open",
        "with the grant; its reason is the entry's",
    ),
    (
        "catalog.replace",
        "in the shared database that is about to be set aside, as far as it takes anything",
    ),
    (
        "catalog.restore",
        "in the shared database that came in its place; the subject is the backup",
    ),
    ("compact.begin", "see above"),
    ("compact.commit", "see above"),
    ("compact.settled", "see above"),
    ("compact.undo", "see above"),
    ("create.begin", "before anything is made of the tenant"),
    ("create.commit", "when the tenant is there"),
    (
        "create.fail",
        "its creation failed, and so did removing what was made",
    ),
    (
        "create.reclaimed",
        "a tenant that was found on the disk is back in the catalogue",
    ),
    ("create.settled", "see above"),
    ("create.undo", "its creation failed; nothing is left"),
    (
        "drill.begin",
        "before a backup is restored to a scratch place",
    ),
    (
        "drill.end",
        "when that is removed again; `restorable` says how it went",
    ),
    ("export.begin", "before a tenant's rows are read"),
    ("export.fail", "the export failed; nobody got anything"),
    (
        "export.publish",
        "before the finished export gets its name, with rows and bytes",
    ),
    (
        "generation.discard",
        "before an old database of a tenant is removed",
    ),
    ("generation.forget", "an old database went with its tenant"),
    (
        "leftover.remove",
        "before what an operation that is no more was making is removed",
    ),
    ("migrate.begin", "see above"),
    ("migrate.commit", "see above"),
    ("migrate.settled", "see above"),
    ("migrate-fleet.begin", "before the first tenant is migrated"),
    (
        "migrate-fleet.finish",
        "when the run is over, with its outcome",
    ),
    ("migrate-fleet.stop", "with the order to stop a run"),
    (
        "purge.begin",
        "in the transaction from which on there is no way back, before anything is removed",
    ),
    ("purge.commit", "when everything is gone"),
    (
        "purge.prepare",
        "before the final backup is taken, if one is; the tenant is closed and fenced meanwhile",
    ),
    ("purge.settled", "see above"),
    (
        "purge.undo",
        "the final backup could not be taken, or a hold came in between",
    ),
    ("recreate.begin", "see above"),
    ("recreate.commit", "see above"),
    ("recreate.settled", "see above"),
    ("recreate.undo", "see above"),
    ("reference.announce", "with a new version of a list"),
    (
        "reference.push",
        "before a list is brought to the first tenant",
    ),
    ("repair.begin", "see above"),
    ("repair.commit", "see above"),
    ("repair.settled", "see above"),
    ("restore.begin", "see above"),
    ("restore.commit", "see above"),
    ("restore.settled", "see above"),
    (
        "restore.source",
        "after `restore.begin`; the subject is the backup",
    ),
    ("restore.undo", "see above"),
    (
        "shared.migrate",
        "after migrations of the shared database, unless it has just been made",
    ),
    (
        "tenant.adopt",
        "between `create.begin` and the first row: it is made of another program's file",
    ),
    ("tenant.archive", "with the change"),
    (
        "tenant.bury",
        "a restored catalogue thought alive what was purged",
    ),
    (
        "tenant.clone",
        "between `create.begin` and the first row: it is made of a backup, the subject",
    ),
    (
        "tenant.delete",
        "with the date from which on it may be purged",
    ),
    (
        "tenant.found",
        "a restored catalogue had an older generation than the disk",
    ),
    ("tenant.hold", "with the change, without its reason"),
    (
        "tenant.import",
        "between `create.begin` and the first row: it is made of an export",
    ),
    ("tenant.open", "a context was opened, as the policy says"),
    ("tenant.plan", "with the change"),
    ("tenant.quota", "with the change"),
    ("tenant.release", "with the change"),
    ("tenant.rename", "with the change, without the names"),
    (
        "tenant.reserve",
        "the tenant is registered, and has no database yet",
    ),
    ("tenant.resume", "with the change"),
    ("tenant.suspend", "with the change"),
    ("tenant.unarchive", "with the change"),
    ("tenant.undelete", "with the change"),
    (
        "tenant.unreserve",
        "a tenant without a database is out of the catalogue again",
    ),
    ("undo.begin", "see above"),
    ("undo.commit", "see above"),
    ("undo.settled", "see above"),
    ("undo.undo", "see above"),
    ("verify.fleet", "after all tenants were looked at"),
    (
        "verify.shared",
        "after the shared database was looked at, as far as it takes anything",
    ),
    (
        "verify.tenant",
        "after a tenant's database was looked at, with its health",
    ),
    (
        "workflow.abandon",
        "in the transaction that gives a run up by hand; with the reason and what was in its way",
    ),
    (
        "workflow.begin",
        "in the transaction of the run's first step, or before it",
    ),
    ("workflow.commit", "in the transaction that ends the run"),
    ("workflow.retry", "before a run is tried once more by hand"),
    (
        "workflow.stuck",
        "when a run needs help; with the step and what is in its way",
    ),
    (
        "workflow.undo",
        "when all of a run is undone, with the step it failed at",
    ),
];
