//! No tenant is waited for longer than it may take.
use super::*;

#[test]
fn a_tenant_that_is_locked_is_waited_for_no_longer_than_it_may_take() {
    let fleet = old_fleet(&["A1", "B1"]);
    let new = new_program(&fleet);
    let mut ctx = fleet.tenancy.tenant(&id("A1")).unwrap();
    ctx.transaction(|ctx| {
        admit(ctx, "in the middle")?;
        let started = Instant::now();
        let report = migrate(
            &new,
            &all_at_once().tenant_timeout(Duration::from_millis(150)),
        );
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{:?}",
            started.elapsed()
        );
        let failed = report.tenant(&id("A1")).unwrap();
        let error = failed.error.as_ref().unwrap();
        assert_eq!(error.kind, FailureKind::Locked, "{error:?}");
        assert!(failed.duration.unwrap() >= Duration::from_millis(100));
        assert_eq!(report.totals.done, 1);
        QueryResult::Ok(())
    })
    .unwrap();
    // Longer than the other one's transaction lasts: it waits and goes on.
    let (begun, has_begun) = mpsc::channel();
    std::thread::scope(|threads| {
        let holder = threads.spawn(|| {
            ctx.transaction(|ctx| {
                begun.send(()).unwrap();
                // Until the run has met the lock: it is in the catalogue's journal by then.
                let waiting = || open_operations(&new) > 0;
                while !waiting() {
                    std::thread::yield_now();
                }
                admit(ctx, "and more")
            })
            .unwrap();
        });
        has_begun.recv().unwrap();
        assert!(migrate(&new, &all_at_once()).is_success());
        holder.join().unwrap();
    });
    assert_eq!(
        names(&mut new.tenant(&id("A1")).unwrap()),
        ["in the middle", "and more"]
    );
}

/// What no timeout can interrupt is finished, and said.
#[test]
fn a_script_that_runs_too_long_is_finished_and_nothing_is_begun_after_it() {
    let fleet = old_fleet(&["A1"]);
    meddle(
        &fleet,
        "A1",
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 200)
         INSERT INTO patients (name, ward) SELECT x, 'A' FROM n",
    );
    let set = MigrationSet::new([
        wards(),
        MigrationScript::new(
            ARCHIVE,
            "slow",
            "CREATE TABLE slow AS SELECT sum(length(hex(a.name || b.name || c.name))) AS n FROM patients a, patients b, patients c;",
        ),
        MigrationScript::new("20260103000000", "next", "CREATE TABLE next (id INTEGER);"),
    ]);
    let new = with_migrations(&fleet, set);
    let options = all_at_once().tenant_timeout(Duration::from_millis(500));
    let report = migrate(&new, &options);
    let [tenant] = &report.tenants[..] else {
        panic!("{report:?}")
    };
    assert!(tenant.overran);
    assert_eq!(tenant.applied, [ARCHIVE]);
    let error = tenant.error.as_ref().unwrap();
    assert_eq!(error.kind, FailureKind::OutOfTime);
    assert!(
        error
            .message
            .contains("before migration `20260103000000` was begun"),
        "{error:?}"
    );
    let report = migrate(&new, &all_at_once());
    assert_eq!(report.tenants[0].applied, ["20260103000000"]);
    assert!(report.is_success() && !report.tenants[0].overran);
}
