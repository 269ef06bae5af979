//! Many tenants, and many processes.
use super::*;

fn big_fleet(count: usize) -> Fleet {
    let ids = numbered(count);
    old_fleet(&ids.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A thousand tenants, of which three cannot be migrated, and a process that is killed when two fifths are done: the next
/// one touches the rest alone, names the three and why, and all others are migrated.
#[test]
fn of_a_thousand_three_are_poisoned_and_the_run_is_killed_in_the_middle() {
    const MANY: usize = 1_000;
    let fleet = big_fleet(MANY);
    let poisoned = [MANY / 2, MANY * 2 / 3, MANY - 1].map(|number| format!("T{number:04}"));
    for tenant in &poisoned {
        poison(&fleet, tenant);
    }
    let mut actor = Actor::spawn("migrate fleet aloud", &fleet.root);
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < MANY * 2 / 5 {
        heard.insert(actor.hear().expect("it goes on until it is killed"));
    }
    actor.kill();

    let new = new_program(&fleet);
    let interrupted = &new.fleet_runs().unwrap()[0];
    assert_eq!(interrupted.outcome, RunOutcome::Interrupted);
    let done = interrupted.totals.done as usize;
    assert!((heard.len()..MANY / 2).contains(&done), "{done}");
    // As an operator would, who has no wish in particular.
    let (options, touched) = watched(MigrateFleet::default());
    let started = Instant::now();
    let report = migrate(&new, &options);
    println!(
        "{} tenants migrated in {:?}",
        MANY - done,
        started.elapsed()
    );
    assert_eq!(report.run, Some(interrupted.id));
    assert!(report.resumed);
    {
        let mut touched = touched.lock();
        assert_eq!(touched.len(), MANY - done);
        assert!(touched.iter().all(|tenant| !heard.contains(tenant)));
        touched.clear();
    }
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert_eq!(report.totals.done as usize, MANY - 3);
    let failed: Vec<_> = report.failures().map(|it| it.id.to_string()).collect();
    assert_eq!(failed, poisoned);
    for tenant in report.failures() {
        let message = &tenant.error.as_ref().unwrap().message;
        assert!(
            message.ends_with("table archive already exists"),
            "{message}"
        );
    }
    let expected = [1, MANY.div_ceil(100), MANY - 1 - MANY.div_ceil(100)];
    for (wave, expected) in (1..).zip(expected) {
        let in_wave = report.tenants.iter().filter(|it| it.wave == Some(wave));
        assert_eq!(in_wave.count(), expected);
    }
    // Those it died over were begun twice, at most one for each of its threads and as many claimed; the others once.
    let twice = report.tenants.iter().filter(|it| it.attempts == 2).count();
    let once = report.tenants.iter().filter(|it| it.attempts == 1).count();
    assert_eq!(once + twice, MANY);
    assert!(twice <= 4, "{twice}");
    // What is done is not opened again.
    migrate(&new, &options);
    touched.lock().sort();
    assert_eq!(*touched.lock(), poisoned);

    // Nor is anything, when the last are mended.
    for tenant in &poisoned {
        meddle(&fleet, tenant, "DROP TABLE archive");
    }
    assert!(migrate(&new, &MigrateFleet::default()).is_success());
    assert_migrated(&new);
    without_databases(&fleet.root, || {
        assert_eq!(migrate(&new, &options).run, None)
    });
    world::check(&fleet.root);
}

#[test]
fn eight_processes_migrate_a_hundred_tenants_once() {
    let fleet = big_fleet(100);
    let mut actors: Vec<_> = (0..8)
        .map(|_| Actor::spawn("migrate fleet when told", &fleet.root))
        .collect();
    for actor in &mut actors {
        assert_eq!(actor.hear().unwrap(), "ready");
    }
    for actor in &mut actors {
        actor.tell("go");
    }
    let said: Vec<_> = actors
        .iter_mut()
        .map(|actor| actor.hear().unwrap())
        .collect();
    let touched = said.iter().map(|it| {
        let touched = it.strip_prefix("done ");
        let touched = touched.unwrap_or_else(|| panic!("{said:?}"));
        touched.parse::<usize>().unwrap()
    });
    let touched: Vec<_> = touched.collect();
    assert_eq!(touched.iter().sum::<usize>(), 100, "{touched:?}");
    let new = new_program(&fleet);
    let runs = new.fleet_runs().unwrap();
    assert_eq!(runs.len(), 1);
    let report = new.fleet_run(runs[0].id).unwrap();
    for tenant in &report.tenants {
        assert_eq!(
            (tenant.attempts, &tenant.applied[..]),
            (1, &[ARCHIVE.to_owned()][..])
        );
    }
    assert_migrated(&new);
    println!("tenants per process: {touched:?}");
}

/// Ten thousand tenants that are only in the catalogue: who opened one would fail.
#[test]
fn ten_thousand_tenants_that_need_nothing_are_not_opened() {
    let fleet = fleet_with(|builder| builder);
    fleet.create("Model");
    let columns = "display_name, NULL, status, generation, schema_version, schema_fingerprint, plan, placement,
                   created_at, changed_at";
    let fill = format!(
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 9999)
         INSERT INTO __tenants_tenants (uuid, tenant_id, folded_id, display_name, subdomain, status, generation,
             schema_version, schema_fingerprint, plan, placement, created_at, changed_at, change_seq, ledger_digest)
         SELECT randomblob(16), 'N' || x, 'n' || x, {columns}, change_seq + x, ledger_digest
         FROM n, __tenants_tenants WHERE tenant_id = 'Model';
         UPDATE __tenants_catalog SET change_seq = change_seq + 9999"
    );
    let mut shared = fleet.tenancy.shared().unwrap();
    shared
        .unrouted("test", |raw| raw.connection().batch_execute(&fill))
        .unwrap();
    drop(shared);
    let started = Instant::now();
    let tenancy = fleet.again();
    let opened = started.elapsed();
    without_databases(&fleet.root, || {
        let started = Instant::now();
        let report = migrate(&tenancy, &MigrateFleet::default());
        let took = started.elapsed();
        println!("nothing to do for 10,000 tenants: opened in {opened:?}, found out in {took:?}");
        assert_eq!((report.run, report.totals.up_to_date), (None, 10_000));
        assert!(took < Duration::from_secs(2), "{took:?}");
    });
}

#[test]
fn remembered_runs_do_not_grow_without_end() {
    let fleet = old_fleet(&["A1"]);
    poison(&fleet, "A1");
    let new = new_program(&fleet);
    for _ in 0..103 {
        assert!(!migrate(&new, &all_at_once()).is_success());
    }
    let runs = new.fleet_runs().unwrap();
    assert_eq!(runs.len(), 100);
    let mut shared = new.shared().unwrap();
    let rows = shared.unrouted("test", |raw| {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            state: String,
        }
        diesel::sql_query("SELECT state FROM __tenants_run_tenants")
            .load::<Row>(raw)
            .map(|rows| rows.into_iter().filter(|row| row.state == "failed").count())
    });
    assert_eq!(rows.unwrap(), 100);
}
