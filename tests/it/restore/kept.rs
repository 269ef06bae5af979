//! Old generations that were kept are all within reach.
use super::*;

/// Undoing twice brings the newest two back in turn. What is older was never offered.
#[test]
fn any_generation_that_was_kept_can_be_undone_to() {
    let (fleet, tenant, backup) = backed_up();
    let tenancy = &fleet.tenancy;
    admit(&mut tenant.enter().unwrap(), "only in the first").unwrap();
    for _ in 0..2 {
        let taken = BackupRef::from(&backup);
        tenancy.restore(&id(), &taken, &confirmed()).unwrap();
    }
    for _ in 0..3 {
        tenancy.undo(&id(), "TH001").unwrap();
    }
    assert_eq!(world::rows(tenancy), ["before"]);
    let kept = tenancy.old_generations(&id()).unwrap();
    let oldest = kept.last().unwrap().generation;
    assert_eq!(oldest, 1);
    let file = tenancy.generation_file(&id(), oldest).unwrap();
    assert_eq!(file.path, fleet.file(&tenant, 1));
    assert!(file.bytes.unwrap() > 4096);

    let wrong = tenancy.undo_to(&id(), oldest, "th001").unwrap_err();
    assert!(matches!(wrong, RestoreError::NotConfirmed { .. }));
    // Neither one there never was nor the one in use.
    let current = tenant.record().unwrap().generation;
    for generation in [0, current, 99] {
        let error = tenancy.undo_to(&id(), generation, "TH001").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "generation {generation} of tenant `TH001` was not kept; `old_generations` lists those that were"
            )
        );
        assert_eq!(tenant.record().unwrap().generation, current);
        assert_eq!(tenant.record().unwrap().status, Status::Active);
    }
    let undone = tenancy.undo_to(&id(), oldest, "TH001").unwrap();
    assert_eq!((undone.copy_of, undone.kept), (1, Some(current)));
    assert_eq!(world::rows(tenancy), ["before", "only in the first"]);
    assert!(tenancy.generation_file(&id(), 99).unwrap().bytes.is_none());
    world::check(&fleet.root);
}
