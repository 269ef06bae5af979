//! What was being made and belongs to no operation any more.
use std::fs;

use diesel_tenants::error::LifecycleError;
use diesel_tenants::prelude::*;

use crate::app::{admit, builder, names};
use crate::{crashes, world};

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

/// No command removed it: an operation removes its own alone, and a shared database that was restored knows of none.
#[cfg(feature = "failpoints")]
#[test]
fn what_nobody_works_on_is_removed_and_what_somebody_does_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    crashes::with_rows(&root);
    let (mut compacting, go_on) =
        crashes::paused("compact", &root, "generation.staged", dir.path());
    let tenancy = builder(&root).open().unwrap();
    let file = tenancy.database_file(&id()).unwrap().path;
    let staged = file.with_file_name(".new-g2.sqlite3");
    assert!(staged.exists());
    assert_eq!(tenancy.leftovers().unwrap(), []);
    let refused = tenancy.remove_leftovers(&id()).unwrap_err();
    assert!(
        matches!(refused, LifecycleError::InProgress { .. }),
        "{refused:?}"
    );
    assert!(staged.exists());
    fs::File::create(go_on).unwrap();
    assert_eq!(compacting.hear().as_deref(), Some("compacted"));
    assert!(compacting.wait().success());

    let left = [".new-g3.sqlite3", ".new-g3.sqlite3-wal"];
    for name in left {
        fs::write(file.with_file_name(name), "x").unwrap();
    }
    fs::write(file.with_file_name("notes.txt"), "x").unwrap();
    let found = tenancy.leftovers().unwrap();
    assert_eq!((found.len(), found[0].id), (1, id()));
    assert_eq!(found[0].names, left);
    // Who uses the tenant meanwhile goes on.
    let mut ctx = tenancy.tenant(&id()).unwrap();
    assert_eq!(tenancy.remove_leftovers(&id()).unwrap(), left);
    admit(&mut ctx, "since").unwrap();
    assert_eq!(names(&mut ctx), ["one", "two", "three", "since"]);
    assert_eq!(tenancy.remove_leftovers(&id()).unwrap(), [""; 0]);
    // It belongs to somebody else.
    fs::remove_file(file.with_file_name("notes.txt")).unwrap();
    drop((ctx, tenancy));
    world::check(&root);
}

/// Cut short, the rest goes the next time, and nothing else does.
#[cfg(feature = "failpoints")]
#[test]
fn killed_at_any_step_the_rest_of_it_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let start = dir.path().join("start");
    crashes::with_rows(&start);
    let left = [".new-g3.sqlite3", ".new-g3.sqlite3-wal"];
    for (point, there) in [
        ("leftover.entered", 2),
        ("leftover.removed:1", 1),
        ("leftover.removed:2", 0),
    ] {
        let root = dir.path().join(point);
        crashes::copy(&start, &root);
        let tenancy = builder(&root).open().unwrap();
        let file = tenancy.database_file(&id()).unwrap().path;
        for name in left {
            fs::write(file.with_file_name(name), "x").unwrap();
        }
        drop(tenancy);
        let mut command = crate::actors::command("remove leftovers", &root);
        command.env("DIESEL_TENANTS_FAILPOINT", format!("{point}=kill"));
        assert!(crashes::run(command), "{point}");
        let tenancy = builder(&root).open().unwrap();
        assert_eq!(tenancy.remove_leftovers(&id()).unwrap().len(), there);
        drop(tenancy);
        assert_eq!(
            crate::world::rows(&world::check(&root)),
            ["one", "two", "three"]
        );
    }
}
