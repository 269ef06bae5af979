//! Taking an orphan back, cut short at any step.
use super::*;

/// The shared database was restored from before TH001 was there, and an operation that died has left a fence in it.
fn orphaned(root: &Path) {
    let tenancy = builder(root).open().unwrap();
    let shared = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    drop(tenancy);
    let tenancy = builder(root).open().unwrap();
    let tenant = tenancy.create(&id(), NewTenant::named("x")).unwrap();
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    drop((tenant, tenancy));
    let mut command = crate::actors::command("compact", root);
    command.env("DIESEL_TENANTS_FAILPOINT", "generation.fenced=kill");
    assert!(crashes::run(command));
    builder(root).restore_shared(&shared.path).unwrap();
}

pub(super) fn play(root: &Path) {
    let tenancy = builder(root).open().unwrap();
    let orphans = tenancy.reclaimable().unwrap();
    let new = NewTenant::named("found again");
    tenancy.reclaim_orphan(orphans[0].uuid, new).unwrap();
    say("reclaimed");
}

/// It is in the catalogue and can be used, or can be taken back still.
#[cfg(feature = "failpoints")]
#[test]
fn killed_at_any_step_it_is_back_or_can_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let start = dir.path().join("start");
    orphaned(&start);
    for (point, left) in [("reclaim.unfenced", 1), ("reclaim.committed", 0)] {
        let root = dir.path().join(point);
        crashes::copy(&start, &root);
        let mut command = crate::actors::command("reclaim", &root);
        command.env("DIESEL_TENANTS_FAILPOINT", format!("{point}=kill"));
        assert!(crashes::run(command), "{point}");
        let tenancy = builder(&root).open().unwrap();
        let orphans = tenancy.reclaimable().unwrap();
        assert_eq!(orphans.len(), left, "{point}");
        drop(tenancy);
        if left == 1 {
            play(&root);
        }
        let tenancy = world::check(&root);
        assert_eq!(world::rows(&tenancy), ["before"]);
        admit(&mut tenancy.tenant(&id()).unwrap(), "writable").unwrap();
    }
}

/// The id was somebody's who was purged, and then its own. It could not be taken back, and its data was there and out of reach.
#[test]
fn one_whose_id_had_been_used_before_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let tenancy = builder(&root).open().unwrap();
    tenancy.create(&id(), NewTenant::named("first")).unwrap();
    let shared = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    crate::app::delete_at_once(&tenancy, &id());
    tenancy.purge(&id(), "TH001").unwrap();
    let second = NewTenant::named("second").reuse_retired_id();
    let second = tenancy.create(&id(), second).unwrap();
    admit(&mut second.enter().unwrap(), "of the second").unwrap();
    drop((second, tenancy));
    builder(&root).restore_shared(&shared.path).unwrap();
    play(&root);
    assert_eq!(world::rows(&world::check(&root)), ["of the second"]);
}
