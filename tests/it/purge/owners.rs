//! What lies in a tenant's directory when it is purged, and is not the tenant's.
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use diesel_tenants::audit::AuditFilter;
use diesel_tenants::{BackupRef, RestoreOptions};

use super::*;

fn others(error: PurgeError, found: &str) {
    let told = error.to_string();
    assert!(matches!(error, PurgeError::Others(_)), "{error:?}");
    assert_eq!(
        told,
        format!(
            "\"{found}\" in the directory of tenant `A1` is really the database of tenant `B1`, generation 1, and was \
             not removed; put the files back where they belong"
        )
    );
}

/// Two were swapped by hand, and one of the two tenants is purged: the only database of the other one went with it.
#[test]
fn another_tenants_database_does_not_go_with_the_tenant_in_whose_directory_it_lies() {
    let (fleet, a, b) = crate::damage::two();
    let tenancy = &fleet.tenancy;
    let a1 = id("A1");
    let backup = tenancy.backup(&a1, &BackupOptions::new()).unwrap();
    let aside = a.with_extension("aside");
    fs::rename(&a, &aside).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&aside, &b).unwrap();
    delete_at_once(tenancy, &a1);
    let last = PurgeOptions::default().final_backup(BackupOptions::new());
    others(tenancy.purge(&a1, "A1").unwrap_err(), "g1.sqlite3");
    others(
        tenancy.purge_with(&a1, "A1", &last).unwrap_err(),
        "g1.sqlite3",
    );
    // Restored with other rights it is not opened, and is B1's all the same.
    fs::set_permissions(&a, fs::Permissions::from_mode(0o644)).unwrap();
    others(tenancy.purge(&a1, "A1").unwrap_err(), "g1.sqlite3");
    fs::set_permissions(&a, fs::Permissions::from_mode(0o600)).unwrap();
    // Only half of it was done, and B1's is under a name of somebody's own.
    fs::rename(&a, &aside).unwrap();
    others(tenancy.purge(&a1, "A1").unwrap_err(), "g1.aside");
    fs::rename(&aside, &a).unwrap();
    let status = || tenancy.handle(&a1).unwrap().record().unwrap().status;
    assert_eq!(status(), Status::Archived);

    // Restored over, it is A1's first generation by its name, and kept.
    tenancy.unarchive(&a1).unwrap();
    tenancy.resume(&a1).unwrap();
    let options = RestoreOptions::confirmed("A1").without_safety_backup();
    let restored = tenancy.restore(&a1, &BackupRef::from(&backup), &options);
    assert_eq!(restored.unwrap().kept, Some(1));
    fs::set_permissions(&a, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = tenancy.discard_old_generations(&a1, Duration::ZERO);
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("is really that of tenant `B1`"),
        "{refused}"
    );
    fs::set_permissions(&a, fs::Permissions::from_mode(0o600)).unwrap();
    delete_at_once(tenancy, &a1);
    others(tenancy.purge(&a1, "A1").unwrap_err(), "g1.sqlite3");
    assert_eq!(status(), Status::Archived);

    fs::rename(&a, &b).unwrap();
    let certificate = tenancy.purge(&a1, "A1").unwrap();
    assert_eq!(certificate.unreadable, [0; 0]);
    assert_eq!(names(&mut tenancy.tenant(&id("B1")).unwrap()), ["b"]);

    // Put back for A1, it is B1's.
    fs::create_dir(a.parent().unwrap()).unwrap();
    tenancy.suspend(&id("B1")).unwrap();
    fs::rename(&b, &a).unwrap();
    let refused = tenancy.purge_undead(&certificate.uuid, "A1").unwrap_err();
    others(refused, "g1.sqlite3");
    assert_eq!(tenancy.recover().unwrap(), 0, "nothing was begun");
    fs::rename(&a, &b).unwrap();
    fs::remove_dir(a.parent().unwrap()).unwrap();
    tenancy.resume(&id("B1")).unwrap();
    drop(fleet.tenancy);
    world::check(&fleet.root);
}

/// Begun, and cut short; they were swapped before the library was opened again.
#[cfg(feature = "failpoints")]
#[test]
fn whoever_finishes_a_purge_looks_once_more() {
    let (fleet, tenant) = one_due();
    let other = fleet.create("B1");
    admit(&mut other.enter().unwrap(), "b").unwrap();
    let (a, b) = (fleet.file(&tenant, 1), fleet.file(&other, 1));
    drop((tenant, other, fleet.tenancy));
    let mut command = crate::actors::command("purge, backups kept", &fleet.root);
    command.env("DIESEL_TENANTS_FAILPOINT", "purge.begun=kill");
    assert!(crashes::run(command));
    let brought = a.with_file_name("g7.sqlite3");
    fs::rename(&b, &brought).unwrap();
    let tenancy = builder(&fleet.root).open().unwrap();
    let refused = tenancy.purge(&id("TH001"), "TH001").unwrap_err();
    assert!(matches!(refused, PurgeError::Others(_)), "{refused:?}");
    assert!(a.exists() && brought.exists());
    fs::rename(&brought, &b).unwrap();
    tenancy.purge(&id("TH001"), "TH001").unwrap();
    assert_eq!(names(&mut tenancy.tenant(&id("B1")).unwrap()), ["b"]);
    drop(tenancy);
    world::check(&fleet.root);
}

/// A directory that is a link is listed where it leads to, and emptied there.
#[test]
fn a_directory_that_is_a_link_is_not_emptied() {
    let (fleet, a, b) = crate::damage::two();
    let (a_home, b_home) = (a.parent().unwrap(), b.parent().unwrap());
    let aside = fleet.root.with_file_name("aside");
    fs::rename(a_home, &aside).unwrap();
    symlink(b_home, a_home).unwrap();
    fs::write(b_home.join(".new-g2.sqlite3"), "being made").unwrap();
    let refused = fleet.tenancy.remove_leftovers(&id("A1")).unwrap_err();
    let told = refused.to_string();
    assert!(
        told.contains("its directory is a symbolic link, which may lead to another tenant's"),
        "{told}"
    );
    assert!(b_home.join(".new-g2.sqlite3").exists());
    fs::remove_file(b_home.join(".new-g2.sqlite3")).unwrap();
    delete_at_once(&fleet.tenancy, &id("A1"));
    let refused = fleet.tenancy.purge(&id("A1"), "A1").unwrap_err();
    assert_eq!(refused.to_string(), told);
    assert_eq!(names(&mut fleet.tenancy.tenant(&id("B1")).unwrap()), ["b"]);
    let status = || fleet.tenancy.handle(&id("A1")).unwrap().record().unwrap();
    assert_eq!(status().status, Status::Archived);
    fs::remove_file(a_home).unwrap();
    fs::rename(&aside, a_home).unwrap();
    fleet.tenancy.purge(&id("A1"), "A1").unwrap();
    drop(fleet.tenancy);
    world::check(&fleet.root);
}

/// What is nobody's goes with the rest; what a link leads to does not. What could not be read is told.
#[test]
fn what_cannot_be_read_is_purged_and_told() {
    let (fleet, a, b) = crate::damage::two();
    let tenancy = &fleet.tenancy;
    delete_at_once(tenancy, &id("A1"));
    fs::write(&a, "x".repeat(8192)).unwrap();
    fs::write(a.with_file_name("notes.txt"), "a patient's name").unwrap();
    symlink(&b, a.with_file_name("g9.sqlite3")).unwrap();
    // It would stand in the way once half of the rest is gone.
    let inside = a.with_file_name("old");
    fs::create_dir(&inside).unwrap();
    let refused = tenancy.purge(&id("A1"), "A1").unwrap_err().to_string();
    assert!(refused.contains("\"old\" is a directory"), "{refused}");
    assert!(a.exists());
    fs::remove_dir(&inside).unwrap();
    // A link by a number of ours is newer than what is known.
    let refused = tenancy.purge(&id("A1"), "A1").unwrap_err();
    let newer = LifecycleError::NewerGeneration {
        id: id("A1"),
        generation: 9,
    };
    assert_eq!(refused.to_string(), newer.to_string());
    fs::rename(a.with_file_name("g9.sqlite3"), a.with_file_name("link")).unwrap();
    let certificate = tenancy.purge(&id("A1"), "A1").unwrap();
    assert_eq!(certificate.unreadable, [1]);
    let begun = AuditFilter::all().action("purge.begin");
    let begun = &tenancy.audit_entries(&begun, 9).unwrap()[0];
    assert!(format!("{begun:?}").contains("unreadable"), "{begun:?}");
    assert_eq!(names(&mut tenancy.tenant(&id("B1")).unwrap()), ["b"]);
    drop(fleet.tenancy);
    world::check(&fleet.root);
}

/// The catalogue was put back to a day before the newest generation was made: all of them went by its old date.
#[test]
fn a_catalogue_that_is_older_than_the_databases_purges_nothing() {
    let (fleet, tenant) = one_due();
    let (second, shared) = (fleet.file(&tenant, 2), fleet.root.join("shared.sqlite3"));
    drop((tenant, fleet.tenancy));
    let old = fleet.root.with_file_name("old");
    fs::copy(&shared, &old).unwrap();
    let th001 = id("TH001");
    let tenancy = builder(&fleet.root).open().unwrap();
    tenancy.unarchive(&th001).unwrap();
    tenancy.resume(&th001).unwrap();
    tenancy.compact(&th001).unwrap();
    admit(&mut tenancy.tenant(&th001).unwrap(), "since").unwrap();
    drop(tenancy);
    let new = fleet.root.with_file_name("new");
    fs::rename(&shared, &new).unwrap();
    fs::rename(&old, &shared).unwrap();
    let tenancy = builder(&fleet.root).open().unwrap();
    for options in [
        PurgeOptions::default(),
        PurgeOptions::default().final_backup(BackupOptions::new()),
        PurgeOptions::default().although_its_database_is_missing(),
    ] {
        let refused = tenancy.purge_with(&th001, "TH001", &options).unwrap_err();
        let newer = matches!(
            refused,
            PurgeError::Lifecycle(LifecycleError::NewerGeneration { generation: 2, .. })
        );
        assert!(newer, "{refused:?}");
        assert!(second.exists());
    }
    drop(tenancy);
    fs::rename(&new, &shared).unwrap();
    let tenancy = world::check(&fleet.root);
    assert_eq!(world::rows(&tenancy), ["of the deleted one", "since"]);

    // The one in use is gone, and one that was kept is there: whoever moved it away may want it back.
    tenancy.recreate(&th001, "TH001").unwrap();
    delete_at_once(&tenancy, &th001);
    drop(tenancy);
    let third = second.with_file_name("g3.sqlite3");
    fs::rename(&third, &old).unwrap();
    let tenancy = builder(&fleet.root).open().unwrap();
    let refused = tenancy.purge(&th001, "TH001").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "generation 3 of tenant `TH001`, which is in use, is missing, and [2] is there; find out where it went, then \
         purge with `PurgeOptions::although_its_database_is_missing`"
    );
    assert!(second.exists());
    let over = PurgeOptions::default().although_its_database_is_missing();
    let certificate = tenancy.purge_with(&th001, "TH001", &over).unwrap();
    assert_eq!(certificate.unreadable, [3]);
    drop(tenancy);
    world::check(&fleet.root);
}

/// A compaction was cut short before it removed the old database, and another one is in its place by now.
#[cfg(feature = "failpoints")]
#[test]
fn whoever_finishes_a_compaction_removes_nobody_elses() {
    let fleet = fleet();
    let (tenant, other) = (fleet.create("TH001"), fleet.create("B1"));
    admit(&mut tenant.enter().unwrap(), "a").unwrap();
    admit(&mut other.enter().unwrap(), "b").unwrap();
    let (a, b) = (fleet.file(&tenant, 1), fleet.file(&other, 1));
    drop((tenant, other, fleet.tenancy));
    let mut command = crate::actors::command("compact", &fleet.root);
    command.env("DIESEL_TENANTS_FAILPOINT", "generation.committed=kill");
    assert!(crashes::run(command));
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(a.with_file_name(format!("g1.sqlite3{suffix}")));
    }
    fs::rename(&b, &a).unwrap();
    let tenancy = builder(&fleet.root).open().unwrap();
    assert_eq!(world::rows(&tenancy), ["a"]);
    fs::rename(&a, &b).unwrap();
    assert_eq!(names(&mut tenancy.tenant(&id("B1")).unwrap()), ["b"]);
    tenancy.compact(&id("TH001")).unwrap();
    drop(tenancy);
    world::check(&fleet.root);
}
