//! A backup under a writer that never stops, restored on another machine.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use diesel_tenants::CloneOptions;

/// Rows that are there before, so that a backup takes its time.
const ROWS: usize = 50_000;

#[test]
fn what_is_restored_elsewhere_is_between_start_and_end() {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    let many = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO patients (name, ward) SELECT 'before ' || i, 'A' FROM n"
    );
    let mut ctx = tenant.enter().unwrap();
    ctx.unrouted("fill", |raw| raw.connection().batch_execute(&many))
        .unwrap();
    drop(ctx);
    let mut writer = Actor::spawn("write", &fleet.root);
    assert_eq!(writer.hear().unwrap(), "ready");
    let (acknowledged, enough) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let seen = || acknowledged.load(Ordering::SeqCst);
    let backup = std::thread::scope(|scope| {
        // Hears all the writer says until it is told that this is enough, so that the pipe never fills.
        scope.spawn(|| {
            while enough.load(Ordering::SeqCst) == 0 {
                let said = writer.hear().unwrap();
                said.parse::<usize>().expect("the writer goes on");
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        });
        let wait_for = |rows: usize| {
            let began = Instant::now();
            let until = seen() + rows;
            while seen() < until {
                std::thread::yield_now();
            }
            rows as f64 / began.elapsed().as_secs_f64()
        };
        wait_for(20);
        let alone = wait_for(200);
        let (began, start) = (Instant::now(), seen());
        let backup = fleet.tenancy.backup(&id(), &BackupOptions::new());
        let (took, end) = (began.elapsed(), seen());
        // What was committed by now, heard of or not.
        let at_most = world::rows(&fleet.tenancy).len();
        let during = (end - start) as f64 / took.as_secs_f64();
        enough.store(1, Ordering::SeqCst);
        println!(
            "a writer: {alone:.0} rows/s alone, {during:.0} rows/s during a backup of {took:?}"
        );
        (backup.unwrap(), start, end, at_most)
    });
    let (backup, start, end, at_most) = backup;
    assert!(end > start, "no row was written during the backup");
    drop(writer);

    let elsewhere = tempfile::tempdir().unwrap();
    crashes::copy(&fleet.root.join("backups"), &elsewhere.path().join("b"));
    let carried = Backups::<SqliteConnection>::at(elsewhere.path().join("b")).unwrap();
    let [listed] = carried.list() else {
        panic!("{} backups", carried.list().len());
    };
    assert_eq!(listed.id, backup.id);
    carried.verify(&listed.path).unwrap();
    let other = crate::app::fleet();
    let restored = other
        .tenancy
        .clone_from_backup(
            &BackupRef::path(&listed.path),
            &id(),
            NewTenant::named("Restored elsewhere"),
            &CloneOptions::new().from_any_catalog(),
        )
        .unwrap();
    let rows = crate::app::names(&mut restored.enter().unwrap());
    drop(restored);
    let at_least = ROWS + start;
    assert!(
        (at_least..=at_most).contains(&rows.len()),
        "{} of {at_least} to {at_most}",
        rows.len()
    );
    // Those that are there are the first ones, without a gap.
    let written = rows[ROWS..].iter().enumerate();
    for (number, row) in written {
        assert_eq!(*row, format!("row {number}"));
    }
    world::check(&other.root);
}
