//! A purge that cannot put its fence up, or cannot wait for everybody to see it.
use std::os::unix::fs::PermissionsExt;

use super::*;

/// What nobody can write to is removed without one; where only readers are left, it stands.
#[test]
fn a_database_that_nobody_writes_to_is_purged_without_waiting() {
    type Way = fn(&Path) -> Option<SqliteConnection>;
    let ways: [(&str, &[u64], Way); 3] = [
        ("a reader", &[], |file| {
            let mut reader = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
            let read = "BEGIN; SELECT count(*) FROM patients;";
            reader.batch_execute(read).unwrap();
            Some(reader)
        }),
        ("one that is not opened", &[], |file| {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
            None
        }),
        ("damage that shows when it is written to", &[1], |file| {
            // A fence around so many tables needs more pages, and the list of free ones begins beyond the end of the file.
            let mut raw = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
            for number in 0..40 {
                let table = format!("CREATE TABLE another_{number} (id INTEGER PRIMARY KEY)");
                raw.batch_execute(&table).unwrap();
            }
            drop(raw);
            let mut bytes = std::fs::read(file).unwrap();
            bytes[32..36].copy_from_slice(&99_999_u32.to_be_bytes());
            bytes[36..40].copy_from_slice(&9_u32.to_be_bytes());
            std::fs::write(file, bytes).unwrap();
            None
        }),
    ];
    for (way, unreadable, prepare) in ways {
        let (fleet, tenant) = one_due();
        let file = fleet.file(&tenant, 1);
        // Closed, so that all of it is in the file.
        drop((tenant, fleet.tenancy));
        let reader = prepare(&file);
        let short = Duration::from_millis(100);
        let tenancy = builder(&fleet.root).drain_timeout(short).open().unwrap();
        let purged = tenancy.purge(&id("TH001"), "TH001");
        assert!(purged.is_ok(), "{way}: {purged:?}");
        assert_eq!(purged.unwrap().unreadable, unreadable, "{way}");
        drop((reader, tenancy));
        world::check(&fleet.root);
    }
}
