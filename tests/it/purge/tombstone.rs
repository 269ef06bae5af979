//! A tombstone stands before the first file goes, and outlives the catalogue.
use super::*;

/// The catalogue of before, which knows nothing of the purge, and the files of before with it.
#[test]
fn an_old_catalogue_does_not_bring_a_purged_tenant_back() {
    for with_files in [false, true] {
        let (fleet, tenant) = one_due();
        fleet.tenancy.undelete(&id("TH001")).unwrap();
        fleet.tenancy.unarchive(&id("TH001")).unwrap();
        fleet.tenancy.resume(&id("TH001")).unwrap();
        let (uuid, file) = (tenant.record().unwrap().uuid, fleet.file(&tenant, 1));
        drop(tenant);
        let (root, _dir) = fleet.close();
        let old = root.with_file_name("old");
        copy(&root, &old);
        let tenancy = builder(&root).open().unwrap();
        delete_at_once(&tenancy, &id("TH001"));
        tenancy.purge(&id("TH001"), "TH001").unwrap();
        drop(tenancy);

        std::fs::copy(old.join("shared.sqlite3"), root.join("shared.sqlite3")).unwrap();
        if with_files {
            copy(
                &old.join(file.parent().unwrap().strip_prefix(&root).unwrap()),
                &root.join("tenants"),
            );
        }
        let tenancy = builder(&root).open().unwrap();
        let [buried] = tenancy.buried() else {
            panic!("{:?}", tenancy.buried());
        };
        assert_eq!((buried.uuid, buried.status), (uuid, Status::Active));
        assert!(tenancy.tenants().unwrap().is_empty());
        let gone = tenancy.tenant(&id("TH001")).unwrap_err();
        assert!(matches!(gone, OpenError::UnknownTenant { .. }), "{gone:?}");
        // Whoever takes the id again gets nothing of it.
        let new = NewTenant::named("again").reuse_retired_id();
        let again = tenancy.create(&id("TH001"), new).unwrap();
        assert!(names(&mut again.enter().unwrap()).is_empty());
        let undead = tenancy.undead().unwrap();
        assert_eq!(undead.len(), usize::from(with_files));
        if with_files {
            assert_eq!((undead[0].uuid, undead[0].id), (uuid, id("TH001")));
            assert!(undead[0].bytes > 4096);
            let wrong = tenancy.purge_undead(&uuid, "th001").unwrap_err();
            assert!(matches!(wrong, PurgeError::NotConfirmed { .. }));
            let certificate = tenancy.purge_undead(&uuid, "TH001").unwrap();
            assert_eq!(certificate.generations.len(), 2, "those of both purges");
            assert!(!file.exists());
        }
        let none = tenancy.purge_undead(&uuid, "TH001").unwrap_err();
        assert!(matches!(none, PurgeError::NothingLeft { .. }), "{none:?}");
        drop((again, tenancy));
        // It is reported once: the catalogue has been set right.
        assert_eq!(world::check(&root).tenants().unwrap().len(), 1);
    }
}

/// A process that had the library open all the while, and a catalogue edited under it.
#[test]
fn a_purged_database_is_not_connected_to_whatever_the_catalogue_says() {
    let (fleet, tenant) = one_due();
    let aside = fleet.root.with_file_name("aside");
    let directory = fleet.file(&tenant, 1).parent().unwrap().to_owned();
    copy(&directory, &aside);
    fleet.tenancy.purge(&id("TH001"), "TH001").unwrap();
    copy(&aside, &directory);
    shared_sql(
        &fleet.tenancy,
        "UPDATE __tenants_tenants SET status = 'active', change_seq = 1000;
         UPDATE __tenants_catalog SET change_seq = 1000",
    );
    fleet.tenancy.tenants().unwrap();
    let refused = tenant.enter().unwrap_err();
    assert!(
        matches!(refused, OpenError::Connect(ConnectError::Purged { .. })),
        "{refused:?}"
    );
    // Nor is a new generation put in its place.
    let refused = fleet.tenancy.recreate(&id("TH001"), "TH001").unwrap_err();
    assert!(refused.to_string().contains("was purged"), "{refused}");
    assert!(!fleet.file(&tenant, 2).exists());
}

#[test]
fn a_tombstone_that_cannot_be_read_still_holds() {
    let (fleet, tenant) = one_due();
    let uuid = tenant.record().unwrap().uuid;
    fleet.tenancy.purge(&id("TH001"), "TH001").unwrap();
    std::fs::write(tombstone(&fleet, uuid), "{").unwrap();
    let unreadable = fleet.tenancy.certificate(&uuid).unwrap_err();
    assert!(
        unreadable.to_string().contains("its tombstone"),
        "{unreadable}"
    );
    shared_sql(
        &fleet.tenancy,
        "UPDATE __tenants_tenants SET status = 'active'",
    );
    let again = fleet.again();
    assert_eq!(again.buried().len(), 1);
    assert!(again.tenants().unwrap().is_empty());
}

/// Between the removal of the files and the end of the purge an old catalogue may come back, too.
#[cfg(feature = "failpoints")]
#[test]
fn the_tombstone_stands_before_the_first_file_goes() {
    let (fleet, tenant) = one_due();
    let (file, uuid) = (fleet.file(&tenant, 1), tenant.record().unwrap().uuid);
    let tombstone = tombstone(&fleet, uuid);
    drop((fleet.tenancy, tenant));
    let start = fleet.root.with_file_name("start");
    copy(&fleet.root, &start);
    for (point, stands, removed) in [
        ("purge.fenced", false, false),
        ("purge.tombstone", true, false),
        ("purge.removed", true, true),
    ] {
        std::fs::remove_dir_all(&fleet.root).unwrap();
        copy(&start, &fleet.root);
        let mut purge = crate::actors::command("purge", &fleet.root);
        purge.env("DIESEL_TENANTS_FAILPOINT", format!("{point}=kill"));
        assert!(crashes::run(purge), "{point} was not reached");
        let found = (tombstone.exists(), !file.exists());
        assert_eq!(found, (stands, removed), "{point}");
        world::check(&fleet.root);
    }
}

/// A power failure keeps what was synced and loses what was not, whatever came first.
#[test]
fn the_tombstone_is_on_the_disk_before_the_first_file_goes() {
    if !crashes::strace_works() {
        return;
    }
    let (fleet, _tenant) = one_due();
    let log = fleet.root.with_file_name("log");
    let mut strace = std::process::Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-o"]).arg(&log);
    strace.args([
        "-e",
        "trace=fsync,fdatasync,?rename,?renameat,?renameat2,unlink,unlinkat",
    ]);
    assert!(!crashes::run(crate::actors::command_under(
        strace,
        "purge",
        &fleet.root
    )));
    let log = std::fs::read_to_string(log).unwrap();
    let first = |what: &[&str]| {
        let found = log.lines().position(|l| what.iter().all(|w| l.contains(w)));
        found.unwrap_or_else(|| panic!("{what:?} not in\n{log}"))
    };
    let order = [
        first(&["sync(", "/tombstones/.new-"]),
        first(&["rename", "/tombstones/.new-"]),
        first(&["fsync(", "/tombstones>"]),
        first(&["unlink", "/g1.sqlite3\""]),
        first(&["fsync(", "/tenants>"]),
    ];
    assert!(order.is_sorted(), "{order:?}\n{log}");
}
