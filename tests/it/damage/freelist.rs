//! A list of free pages that is damaged: everything can be opened and read, and nothing can be changed that needs room. Such a
//! database takes no fence, and gives none back.
use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel_tenants::models::schema::tenant::settings;
use diesel_tenants::prelude::*;
use diesel_tenants::services::now;
use diesel_tenants::{BackupOptions, BackupRef, RestoreOptions, Status};

use crate::hospital::open;

pub(crate) fn play(part: &str, root: &Path) -> bool {
    if part != "hospital: compact" {
        return false;
    }
    open(root).compact(&id()).unwrap();
    true
}

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

fn write(tenancy: &Tenancy, key: &str) -> QueryResult<usize> {
    let row = (
        settings::key.eq(key),
        settings::value.eq("x".repeat(1000)),
        settings::updated_at.eq(now()),
    );
    let mut ctx = tenancy.tenant(&id()).unwrap();
    diesel::insert_into(settings::table)
        .values(row)
        .execute(&mut ctx)
}

fn keys(tenancy: &Tenancy) -> Vec<String> {
    let mut ctx = tenancy.tenant(&id()).unwrap();
    settings::table
        .select(settings::key)
        .order(settings::key)
        .load(&mut ctx)
        .unwrap()
}

/// A hospital with two rows, one of them in the backup, and much free room; nobody has it open.
fn roomy(root: &Path) -> (BackupRef, std::path::PathBuf) {
    let tenancy = open(root);
    tenancy.create(&id(), NewTenant::named("x")).unwrap();
    write(&tenancy, "before").unwrap();
    let backup = tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    for number in 0..600 {
        write(&tenancy, &format!("many {number}")).unwrap();
    }
    write(&tenancy, "since").unwrap();
    let mut ctx = tenancy.tenant(&id()).unwrap();
    diesel::delete(settings::table.filter(settings::key.like("many %")))
        .execute(&mut ctx)
        .unwrap();
    drop(ctx);
    let file = tenancy.database_file(&id()).unwrap().path;
    (BackupRef::from(&backup), file)
}

/// Makes the first page of the list nonsense.
fn spoil(file: &Path) {
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(conn);
    let mut bytes = fs::read(file).unwrap();
    let size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let first = u32::from_be_bytes(bytes[32..36].try_into().unwrap()) as usize;
    assert!(first > 1, "there are no free pages");
    bytes[(first - 1) * size..][..size].fill(0xAA);
    fs::write(file, bytes).unwrap();
}

#[test]
fn what_takes_no_fence_is_restored_over_all_the_same() {
    let dir = crate::scratch::dir();
    let root = dir.path().join("data");
    let (backup, file) = roomy(&root);
    spoil(&file);
    let tenancy = open(&root);
    assert_eq!(keys(&tenancy), ["before", "since"]);
    // Compacting it would make its damage the only one there is.
    tenancy.compact(&id()).unwrap_err();
    assert_eq!(tenancy.unfinished().unwrap(), []);
    assert_eq!(tenancy.tenants().unwrap()[0].status, Status::Active);
    let options = RestoreOptions::confirmed("TH001").without_safety_backup();
    tenancy.restore(&id(), &backup, &options).unwrap();
    assert_eq!(keys(&tenancy), ["before"]);
    write(&tenancy, "after").unwrap();
    assert_eq!(tenancy.unfinished().unwrap(), []);
}

/// Its operation could not be undone, and none could be begun while it was open.
#[cfg(feature = "failpoints")]
#[test]
fn what_keeps_its_fence_is_in_nobodys_way() {
    let dir = crate::scratch::dir();
    let root = dir.path().join("data");
    let (backup, file) = roomy(&root);
    let mut command = crate::actors::command("hospital: compact", &root);
    command.env("DIESEL_TENANTS_FAILPOINT", "generation.fenced=kill");
    assert!(crate::crashes::run(command));
    spoil(&file);
    let tenancy = open(&root);
    assert_eq!(tenancy.unfinished().unwrap(), []);
    assert_eq!(tenancy.tenants().unwrap()[0].status, Status::Active);
    let options = RestoreOptions::confirmed("TH001").without_safety_backup();
    tenancy.restore(&id(), &backup, &options).unwrap();
    assert_eq!(keys(&tenancy), ["before"]);
    write(&tenancy, "after").unwrap();
}
