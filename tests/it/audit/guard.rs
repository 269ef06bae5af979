//! The triggers that guard the log, and the databases that were made before there were all of them.
use diesel_tenants::audit::AuditActionError;

use super::*;

/// Everything that makes another log of it, but by whoever takes the triggers out. Each by each way there is to change a
/// row, since REPLACE and what SQLite calls conflict handling fire other triggers than a plain statement does.
#[test]
fn the_table_takes_no_change_but_the_next_entry() {
    let fleet = fleet();
    fleet.create("TH001");
    let intact = fleet.tenancy.verify_audit().unwrap();
    const COLUMNS: &str = "actor_kind, role, action, tenant_uuid, tenant_id, generation, subject, reason, detail, prev_hash,
         hash FROM __tenants_audit";
    let ends = "INTO __tenants_audit_ends VALUES (1, 0, zeroblob(32), 1, (SELECT hash FROM __tenants_audit WHERE seq = 1))";
    let later = "INTO __tenants_audit_ends SELECT id, head_seq, head_hash, head_seq, head_hash FROM __tenants_audit_ends WHERE 1";
    for sql in [
        "UPDATE __tenants_audit SET actor = 'x'",
        "UPDATE OR REPLACE __tenants_audit SET seq = 2 WHERE seq = 1",
        "DELETE FROM __tenants_audit",
        &format!("INSERT INTO __tenants_audit SELECT seq + 5, at, actor, {COLUMNS}"),
        &format!("INSERT INTO __tenants_audit SELECT NULL, at, actor, {COLUMNS}"),
        &format!("REPLACE INTO __tenants_audit SELECT seq, at, 'x', {COLUMNS}"),
        &format!(
            "INSERT INTO __tenants_audit SELECT seq, at, actor, {COLUMNS} WHERE 1
             ON CONFLICT DO UPDATE SET actor = 'x'"
        ),
        "UPDATE __tenants_audit_ends SET head_seq = 0",
        "UPDATE __tenants_audit_ends SET head_seq = head_seq + 1",
        "UPDATE __tenants_audit_ends SET head_hash = zeroblob(32)",
        "UPDATE OR REPLACE __tenants_audit_ends SET head_hash = zeroblob(32)",
        "UPDATE OR IGNORE __tenants_audit_ends SET pruned_hash = head_hash",
        "UPDATE __tenants_audit_ends SET pruned_through = head_seq - 1,
             pruned_hash = (SELECT hash FROM __tenants_audit WHERE seq = head_seq - 1)",
        "DELETE FROM __tenants_audit_ends",
        &format!("DELETE FROM __tenants_audit_ends; INSERT {ends}"),
        &format!("REPLACE {ends}"),
        &format!("REPLACE {later}"),
        &format!("PRAGMA recursive_triggers = ON; REPLACE {ends}"),
        &format!("PRAGMA recursive_triggers = OFF; INSERT OR REPLACE {ends}"),
        &format!("INSERT OR IGNORE {ends}"),
        &format!("INSERT {later} ON CONFLICT DO UPDATE SET head_seq = 1"),
    ] {
        let refused = raw(&fleet.tenancy, sql).unwrap_err();
        assert!(
            refused.to_string().contains("only ever added to"),
            "{sql}: {refused}"
        );
    }
    assert_eq!(fleet.tenancy.verify_audit().unwrap(), intact);
    assert!(intact.is_intact());
}

/// Makes a backup one of an earlier build, which wrote its manifest over what it had.
fn change(backup: &std::path::Path, sql: &str) {
    use diesel::connection::SimpleConnection;
    use sha2::{Digest as _, Sha256};

    let hex = |bytes: &[u8]| -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let (file, manifest) = (backup.join("db.sqlite3"), backup.join("manifest.json"));
    let before = std::fs::read(&file).unwrap();
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    conn.batch_execute(sql).unwrap();
    drop(conn);
    let after = std::fs::read(&file).unwrap();
    let text = std::fs::read_to_string(&manifest).unwrap();
    let (_, described) = text.split_once("\"manifest\":").unwrap();
    let described = described.trim_end().strip_suffix('}').unwrap();
    let described = described.replace(&hex(&before), &hex(&after));
    let (bytes, now) = (before.len(), after.len());
    let described = described.replace(&format!("\"bytes\":{bytes}"), &format!("\"bytes\":{now}"));
    let digest = hex(described.as_bytes());
    let sealed = format!("{{\"format\":1,\"sha256\":\"{digest}\",\"manifest\":{described}}}\n");
    std::fs::write(&manifest, sealed).unwrap();
}

/// A shared database that was backed up when its ends had no such guard is none that somebody has attached something to;
/// it comes back, and is guarded from then on.
#[test]
fn a_shared_database_of_before_the_newest_guard_comes_back_and_is_guarded() {
    let fleet = fleet();
    fleet.create("TH001");
    let (tenancy, root) = (fleet.tenancy, fleet.root);
    let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    drop(tenancy);
    change(
        &backup.path,
        "DROP TRIGGER __tenants_audit_ends_once; DROP TRIGGER __tenants_audit_ends_true;
         ALTER TABLE __tenants_tenants DROP COLUMN final_backup;
         ALTER TABLE __tenants_backups DROP COLUMN mark; ALTER TABLE __tenants_backup_sets DROP COLUMN mark;
         UPDATE __tenants_catalog SET format = 12",
    );
    builder(&root).restore_shared(&backup.path).unwrap();
    let tenancy = builder(&root).open().unwrap();
    let replaced = raw(
        &tenancy,
        "REPLACE INTO __tenants_audit_ends SELECT * FROM __tenants_audit_ends",
    );
    let refused = replaced.unwrap_err().to_string();
    assert!(refused.contains("only ever added to"), "{refused}");
    assert!(tenancy.verify_audit().unwrap().is_intact());
    // And so does one that has it.
    let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    drop(tenancy);
    builder(&root).restore_shared(&backup.path).unwrap();
    let tenancy = builder(&root).open().unwrap();
    assert!(tenancy.verify_audit().unwrap().is_intact());
}

/// A log-in, or a right that nobody was given, would read as if the library had entered it.
#[test]
fn nobody_enters_what_the_services_and_the_console_do() {
    for action in ["account.superuser", "account.x", "console.log-in"] {
        let refused = AuditNote::new(action).unwrap_err();
        assert!(
            matches!(refused, AuditActionError::Reserved { .. }),
            "{action}"
        );
    }
    assert!(AuditNote::new("accounts.closed").is_ok());
}
