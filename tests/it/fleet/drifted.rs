//! A tenant that has all migrations, and a schema that somebody has changed beside them.
use diesel_tenants::fleet::MigrateTenant;

use super::*;

fn drifted(report: &FleetReport) -> Vec<String> {
    report.drifted().map(|it| it.id.to_string()).collect()
}

#[test]
fn it_is_done_and_the_report_says_what_it_is() {
    let fleet = old_fleet(&["A1", "B1", "C1", "D1"]);
    meddle(&fleet, "A1", "CREATE TABLE own (id INTEGER)");
    meddle(&fleet, "C1", "ALTER TABLE patients ADD COLUMN own TEXT");
    // No schema, and so no drift: rows are not looked at.
    admit(&mut fleet.tenancy.tenant(&id("D1")).unwrap(), "kept").unwrap();
    let new = new_program(&fleet);
    let report = migrate(&new, &all_at_once());
    assert!(report.is_success(), "{report:?}");
    assert_eq!(drifted(&report), ["A1", "C1"]);
    assert_eq!(report.totals.done, 4);
    let a1 = report.tenant(&id("A1")).unwrap();
    assert_eq!(
        (&a1.applied[..], a1.error.is_none()),
        (&[ARCHIVE.to_owned()][..], true)
    );
    // It is remembered.
    let kept = new_program(&fleet).fleet_run(report.run.unwrap()).unwrap();
    assert_eq!(drifted(&kept), ["A1", "C1"]);
    let alone = |tenant| {
        let done = new.migrate_tenant_with(&id(tenant), &MigrateTenant::default());
        done.unwrap().drifted
    };
    assert_eq!((alone("A1"), alone("B1")), (true, false));
    let mut ctx = new.tenant(&id("A1")).unwrap();
    let mended = ctx.unrouted("test", |raw| {
        raw.connection().batch_execute("DROP TABLE own")
    });
    mended.unwrap();
    drop(ctx);
    assert!(!alone("A1"), "it is as it should be again");
}
