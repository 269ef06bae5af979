//! Lists that every tenant is to have: brought to each once, whoever tries and whenever it is killed.
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::upsert::excluded;
use diesel_tenants::error::{PushError, ReferenceError};
use diesel_tenants::{FanOut, PushOutcome, ReferenceList, ReferenceReport, Standing, prelude::*};

use crate::actors::{Actor, say, told};
use crate::app::schema::archive;
use crate::app::{Fleet, admit, builder, fleet, fleet_with, names, patients};
use crate::crashes;
use crate::world;

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// The drugs of a version: their number and name.
fn drugs(version: u64) -> Vec<(i32, String)> {
    let name = |number| format!("drug {number} of version {version}");
    (1..=3).map(|number| (number, name(number))).collect()
}

/// The list at a version. It says `pushed` in the tenant each time it runs, so that a second time would be seen.
fn list(version: u64) -> ReferenceList<'static> {
    let content = format!("{:?}", drugs(version));
    let apply = move |ctx: &mut TenantContext| {
        admit(ctx, &format!("pushed {version}"))?;
        let row = |(number, name)| {
            (
                archive::id.eq(number),
                archive::name.eq(name),
                archive::ward.eq(""),
            )
        };
        let rows: Vec<_> = drugs(version).into_iter().map(row).collect();
        diesel::insert_into(archive::table)
            .values(rows)
            .on_conflict(archive::id)
            .do_update()
            .set(archive::name.eq(excluded(archive::name)))
            .execute(ctx)
    };
    ReferenceList::new("drug_catalogue", version, content, apply).unwrap()
}

fn push(tenancy: &Tenancy, version: u64) -> ReferenceReport {
    push_over(tenancy, version, FanOut::new())
}

fn push_over(tenancy: &Tenancy, version: u64, over: FanOut<'_>) -> ReferenceReport {
    tenancy
        .push_reference(&list(version), over, |_| {})
        .unwrap()
}

/// What the tenant has of the list, and what was said while it was brought.
fn found(tenancy: &Tenancy, tenant: &str) -> (Vec<(i32, String)>, Vec<String>) {
    let mut ctx = tenancy.tenant(&id(tenant)).unwrap();
    let drugs = archive::table
        .select((archive::id, archive::name))
        .order(archive::id);
    (drugs.load(&mut ctx).unwrap(), names(&mut ctx))
}

fn has(version: u64, pushes: &[&str]) -> (Vec<(i32, String)>, Vec<String>) {
    (
        drugs(version),
        pushes.iter().map(|&p| p.to_owned()).collect(),
    )
}

fn outcomes(report: &ReferenceReport) -> Vec<String> {
    let outcome = |t: &diesel_tenants::TenantPush| match &t.outcome {
        PushOutcome::Applied { rows, from: None } => format!("{}: {rows} new", t.id),
        PushOutcome::Applied {
            rows,
            from: Some(from),
        } => format!("{}: {rows} from {from}", t.id),
        PushOutcome::AlreadyThere { version } => format!("{}: has {version}", t.id),
        PushOutcome::NotActive { status } => format!("{}: {status}", t.id),
        PushOutcome::Failed(error) => format!("{}: {error}", t.id),
        PushOutcome::NotReached => format!("{}: not reached", t.id),
        other => format!("{other:?}"),
    };
    report.tenants.iter().map(outcome).collect()
}

fn fleet_of(tenants: usize) -> Fleet {
    let fleet = fleet();
    for number in 1..=tenants {
        fleet.create(&format!("T{number}"));
    }
    fleet
}

#[test]
fn a_list_reaches_every_tenant_once() {
    let fleet = fleet_of(3);
    let tenancy = &fleet.tenancy;
    let first = push(tenancy, 1);
    assert_eq!(outcomes(&first), ["T1: 3 new", "T2: 3 new", "T3: 3 new"]);
    assert!(first.is_complete() && first.not_noted == 0);
    assert_eq!(
        outcomes(&push(tenancy, 1)),
        ["T1: has 1", "T2: has 1", "T3: has 1"]
    );
    assert_eq!(found(tenancy, "T2"), has(1, &["pushed 1"]));
    assert_eq!(
        outcomes(&push(tenancy, 5)),
        ["T1: 3 from 1", "T2: 3 from 1", "T3: 3 from 1"]
    );
    for tenant in ["T1", "T2", "T3"] {
        assert_eq!(found(tenancy, tenant), has(5, &["pushed 1", "pushed 5"]));
    }
    assert_eq!(
        tenancy.reference_lists().unwrap(),
        [("drug_catalogue".to_owned(), 5)]
    );
    world::check(&fleet.root);
}

#[test]
fn a_push_with_nothing_to_do_opens_no_tenant() {
    let fleet = fleet_of(4);
    push(&fleet.tenancy, 1);
    // Another process knows it from the catalogue.
    let elsewhere = fleet.again();
    let report = push(&elsewhere, 1);
    assert_eq!((report.applied().count(), report.is_complete()), (0, true));
    assert_eq!(
        elsewhere
            .reference_status("drug_catalogue")
            .unwrap()
            .behind()
            .count(),
        0
    );
    assert_eq!(elsewhere.stats().opened, 0);
    // The counter counts.
    push(&elsewhere, 2);
    assert_eq!(elsewhere.stats().opened, 4);
}

/// A database that lost what it was seen to have is passed by when that version is pushed: somebody must say so.
#[test]
fn a_list_that_was_there_and_is_not_is_found_by_verifying() {
    use diesel_tenants::verify::{Finding, VerifyOptions};
    let fleet = fleet_of(2);
    let tenancy = &fleet.tenancy;
    push(tenancy, 1);
    push(tenancy, 2);
    let options = VerifyOptions::default();
    let look = |tenant| tenancy.verify(&id(tenant), &options).unwrap().reasons;
    assert_eq!(look("T1"), []);
    let in_tenant = |sql: &str| {
        let mut ctx = tenancy.tenant(&id("T1")).unwrap();
        ctx.unrouted("lose a list", |raw| diesel::sql_query(sql).execute(raw))
            .unwrap();
    };
    in_tenant("UPDATE __tenants_reference SET version = 1");
    let lost = |found| Finding::ReferenceLost {
        list: "drug_catalogue".to_owned(),
        seen: 2,
        found,
    };
    assert_eq!(look("T1"), [lost(Some(1))]);
    in_tenant("DELETE FROM __tenants_reference");
    assert_eq!(look("T1"), [lost(None)]);
    assert_eq!(look("T2"), []);
    assert_eq!(outcomes(&push(tenancy, 2)), ["T1: has 2", "T2: has 2"]);
    // What it says to do helps.
    push(tenancy, 3);
    assert_eq!(look("T1"), []);
    // Neither one that was made since has lost it, nor one whose database is another by now.
    fleet.create("T3");
    tenancy.recreate(&id("T2"), "T2").unwrap();
    assert_eq!((look("T2"), look("T3")), (vec![], vec![]));
}

#[test]
fn who_is_behind_is_known_without_opening_anybody() {
    let fleet = fleet_of(4);
    let tenancy = &fleet.tenancy;
    push_over(tenancy, 1, FanOut::new().only([id("T1"), id("T2")]));
    push_over(tenancy, 2, FanOut::new().only([id("T1")]));
    fleet.tenancy.suspend(&id("T4")).unwrap();
    fleet.tenancy.compact(&id("T1")).unwrap();

    let elsewhere = fleet.again();
    let status = elsewhere.reference_status("drug_catalogue").unwrap();
    let standings: Vec<_> = status
        .tenants
        .iter()
        .map(|t| (t.id.as_str(), t.standing, t.version))
        .collect();
    // A database that was made since may be of any age.
    assert_eq!(
        standings,
        [
            ("T1", Standing::Unchecked, Some(2)),
            ("T2", Standing::Behind, Some(1)),
            ("T3", Standing::Behind, None),
            ("T4", Standing::Behind, None),
        ]
    );
    assert_eq!((status.newest, status.behind().count()), (2, 4));
    assert_eq!(elsewhere.stats().opened, 0);
    assert!(matches!(
        elsewhere.reference_status("no-such-list"),
        Err(ReferenceError::UnknownList { .. })
    ));

    let report = push(tenancy, 2);
    assert_eq!(
        outcomes(&report),
        ["T1: has 2", "T2: 3 from 1", "T3: 3 new", "T4: suspended"]
    );
    let behind: Vec<_> = report.behind().map(|t| t.id.as_str()).collect();
    assert_eq!(behind, ["T4"]);
    assert_eq!(found(tenancy, "T1"), has(2, &["pushed 1", "pushed 2"]));
    let current = |id: &str| {
        let status = tenancy.reference_status("drug_catalogue").unwrap();
        status
            .tenants
            .iter()
            .any(|t| t.id.as_str() == id && t.standing == Standing::Current)
    };
    assert!(current("T1") && current("T3") && !current("T4"));

    // Once it is resumed the next push reaches it, and so does one for a new tenant alone.
    tenancy.resume(&id("T4")).unwrap();
    fleet.create("T5");
    assert!(!current("T5"));
    let report = push_over(tenancy, 2, FanOut::new().only([id("T5"), id("T9")]));
    assert_eq!(
        outcomes(&report),
        [
            "T5: 3 new",
            "T9: tenant `T9` is not known; `Tenancy::create` makes a new one"
        ]
    );
    assert_eq!(push(tenancy, 2).applied().count(), 1);
    assert_eq!(
        tenancy
            .reference_status("drug_catalogue")
            .unwrap()
            .behind()
            .count(),
        0
    );
}

#[test]
fn an_older_version_and_another_content_are_refused_before_any_tenant() {
    let fleet = fleet_of(1);
    let tenancy = &fleet.tenancy;
    push(tenancy, 3);
    let older = tenancy
        .push_reference(&list(2), FanOut::new(), |_| {})
        .unwrap_err();
    assert_eq!(
        older.to_string(),
        "version 2 of `drug_catalogue` is older than version 3, which was pushed before; give the content a higher \
         version to bring it back"
    );
    let never = |_: &mut TenantContext| panic!("it was run");
    let changed = ReferenceList::new("drug_catalogue", 3, "other drugs", never).unwrap();
    let changed = tenancy
        .push_reference(&changed, FanOut::new(), |_| {})
        .unwrap_err();
    assert_eq!(
        changed.to_string(),
        "version 3 of `drug_catalogue` was pushed with another content before; give the new content a higher version"
    );
    assert_eq!(found(tenancy, "T1"), has(3, &["pushed 3"]));
    // A list of another name is another list.
    let other = ReferenceList::new("icd10", 1, "", |ctx| admit(ctx, "codes")).unwrap();
    let pushed = tenancy
        .push_reference(&other, FanOut::new(), |_| {})
        .unwrap();
    assert_eq!(pushed.applied().count(), 1);
}

#[test]
fn names_and_versions_are_checked() {
    let make =
        |name: &str, version| ReferenceList::<SqliteConnection>::new(name, version, "", |_| Ok(0));
    let long = "a".repeat(65);
    for name in ["", "Drugs", "1drugs", "drugs list", "drügs", "a'b", &long] {
        let error = make(name, 1).unwrap_err().to_string();
        assert!(error.contains("cannot name a reference list"), "{error}");
    }
    assert!(make(&long[..64], i64::MAX as u64).is_ok());
    for version in [0, i64::MAX as u64 + 1] {
        make("drugs", version).unwrap_err();
    }
}

/// Throws away what the catalogue has seen of the tenants, as a process does that is killed before it is written down.
fn forget_what_was_seen(tenancy: &Tenancy) {
    let mut shared = tenancy.shared().unwrap();
    let forgotten = shared.unrouted("test", |raw| {
        diesel::sql_query("DELETE FROM __tenants_reference_tenants").execute(raw)
    });
    forgotten.unwrap();
}

#[test]
fn the_tenants_own_word_goes_before_the_catalogues() {
    let fleet = fleet_of(2);
    let tenancy = &fleet.tenancy;
    push(tenancy, 2);
    forget_what_was_seen(tenancy);
    assert_eq!(
        tenancy
            .reference_status("drug_catalogue")
            .unwrap()
            .behind()
            .count(),
        2
    );
    assert_eq!(outcomes(&push(tenancy, 2)), ["T1: has 2", "T2: has 2"]);
    assert_eq!(found(tenancy, "T1"), has(2, &["pushed 2"]));
    assert_eq!(
        tenancy
            .reference_status("drug_catalogue")
            .unwrap()
            .behind()
            .count(),
        0
    );

    // A catalogue that was restored from before the push knows less than the tenants.
    let mut shared = tenancy.shared().unwrap();
    shared
        .unrouted("test", |raw| {
            diesel::sql_query("DELETE FROM __tenants_reference_lists").execute(raw)
        })
        .unwrap();
    forget_what_was_seen(tenancy);
    assert_eq!(outcomes(&push(tenancy, 1)), ["T1: has 2", "T2: has 2"]);
    let never = |_: &mut TenantContext| panic!("it was run");
    let changed = ReferenceList::new("drug_catalogue", 2, "other drugs", never).unwrap();
    forget_what_was_seen(tenancy);
    let report = tenancy
        .push_reference(&changed, FanOut::new(), |_| {})
        .unwrap();
    assert!(
        report
            .failed()
            .all(|(_, e)| matches!(e, PushError::ContentChanged { version: 2, .. }))
    );
    assert_eq!((report.failed().count(), report.behind().count()), (2, 2));
    assert_eq!(found(tenancy, "T1"), has(2, &["pushed 2"]));
}

/// Of two processes the slower one writes down last what it saw first.
#[test]
fn what_was_seen_later_is_not_forgotten_for_what_was_seen_earlier() {
    for new_database in [false, true] {
        let fleet = fleet_of(1);
        let elsewhere = fleet.again();
        // The tenant has version 1, and this is not in the catalogue yet.
        let slow = fleet.tenancy.push_reference(&list(1), FanOut::new(), |_| {
            if new_database {
                elsewhere.compact(&id("T1")).unwrap();
            }
            assert!(push(&elsewhere, 2).is_complete());
        });
        assert!(slow.unwrap().is_complete());
        let status = fleet.tenancy.reference_status("drug_catalogue").unwrap();
        let tenant = &status.tenants[0];
        assert_eq!(
            (tenant.standing, tenant.version),
            (Standing::Current, Some(2))
        );
    }
}

#[test]
fn a_tenant_that_fails_keeps_what_it_had_and_stops_nobody() {
    let fleet = fleet_of(5);
    let tenancy = &fleet.tenancy;
    push(tenancy, 1);
    std::fs::write(fleet.file(&fleet.create("T0"), 1), [7; 8192]).unwrap();
    let failing = ReferenceList::new("drug_catalogue", 2, "x", |ctx| {
        diesel::update(archive::table)
            .set(archive::name.eq("half done"))
            .execute(ctx)?;
        match ctx.tenant_id().as_str() {
            "T2" => Err(diesel::NotFound),
            "T3" => panic!("a row called {}", "SECRET-NAME"),
            // The transaction is ended behind the library's back, and the error of it swallowed.
            "T4" => {
                let _ = ctx.unrouted("test", |raw| diesel::sql_query("ROLLBACK").execute(raw));
                Ok(1)
            }
            _ => Ok(1),
        }
    });
    let report = tenancy
        .push_reference(&failing.unwrap(), FanOut::new(), |_| {})
        .unwrap();
    let failed: Vec<_> = report.failed().map(|(id, _)| id.as_str()).collect();
    assert_eq!(failed, ["T0", "T2", "T3", "T4"]);
    let applied: Vec<_> = report.applied().map(|t| t.id.as_str()).collect();
    assert_eq!(applied, ["T1", "T5"]);
    for untouched in ["T2", "T3", "T4"] {
        assert_eq!(found(tenancy, untouched), has(1, &["pushed 1"]));
    }
    let told = format!("{report:?} {}", serde_json::to_string(&report).unwrap());
    assert!(!told.contains("SECRET-NAME"), "{told}");

    let status = tenancy.reference_status("drug_catalogue").unwrap();
    let behind: Vec<_> = status.behind().map(|t| t.id.as_str()).collect();
    assert_eq!(behind, ["T0", "T2", "T3", "T4"]);
    // None of them believes that it has it.
    let mended = ReferenceList::new("drug_catalogue", 2, "x", |ctx| admit(ctx, "mended"));
    let report = tenancy.push_reference(&mended.unwrap(), FanOut::new(), |_| {});
    let report = report.unwrap();
    let applied: Vec<_> = report.applied().map(|t| t.id.as_str()).collect();
    assert_eq!(applied, ["T2", "T3", "T4"]);
}

#[test]
fn progress_and_deadline() {
    let fleet = fleet_of(3);
    let tenancy = &fleet.tenancy;
    push_over(tenancy, 1, FanOut::new().only([id("T2")]));
    let mut seen = Vec::new();
    let over = FanOut::new().parallelism(1);
    let report = tenancy.push_reference(&list(1), over, |progress| {
        seen.push(format!(
            "{} of {}: {}",
            progress.done, progress.total, progress.tenant.id
        ));
    });
    assert_eq!(seen, ["2 of 3: T1", "3 of 3: T3"]);
    assert!(report.unwrap().is_complete());

    let late = push_over(tenancy, 2, FanOut::new().deadline(Duration::ZERO));
    assert_eq!(
        outcomes(&late),
        ["T1: not reached", "T2: not reached", "T3: not reached"]
    );
    assert_eq!(late.behind().count(), 3);
    assert_eq!(push(tenancy, 2).applied().count(), 3);
}

#[test]
fn a_report_can_be_read_by_programs() {
    let fleet = fleet_of(2);
    fleet.tenancy.suspend(&id("T2")).unwrap();
    let over = FanOut::new().only([id("T1"), id("T2"), id("T9")]);
    let mut report = push_over(&fleet.tenancy, 4, over);
    report.took = Duration::from_millis(9);
    report
        .tenants
        .iter_mut()
        .for_each(|t| t.took = Duration::from_millis(3));
    assert_eq!(
        serde_json::to_value(&report).unwrap(),
        serde_json::json!({
            "list": "drug_catalogue",
            "version": 4,
            "tenants": [
                { "id": "T1", "outcome": "applied", "detail": { "rows": 3, "from": null }, "took_ms": 3 },
                { "id": "T2", "outcome": "not_active", "detail": { "status": "suspended" }, "took_ms": 3 },
                {
                    "id": "T9",
                    "outcome": "failed",
                    "detail": "tenant `T9` is not known; `Tenancy::create` makes a new one",
                    "took_ms": 3,
                },
            ],
            "not_noted": 0,
            "took_ms": 9,
        })
    );
    let status = fleet.tenancy.reference_status("drug_catalogue").unwrap();
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["tenants"][0]["standing"], "current");
}

/// What cannot be taken down in the catalogue is in the tenants all the same.
#[test]
fn a_catalogue_that_cannot_be_written_costs_a_second_look_only() {
    use diesel::connection::SimpleConnection;

    let fleet = fleet_of(2);
    let tenancy = &fleet.tenancy;
    let run = |sql: &str| {
        let mut shared = tenancy.shared().unwrap();
        shared
            .unrouted("test", |raw| raw.connection().batch_execute(sql))
            .unwrap();
    };
    run(
        "CREATE TRIGGER broken BEFORE INSERT ON __tenants_reference_tenants
         BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END",
    );
    let report = push(tenancy, 1);
    assert_eq!((report.applied().count(), report.not_noted), (2, 2));
    run("DROP TRIGGER broken");
    assert_eq!(outcomes(&push(tenancy, 1)), ["T1: has 1", "T2: has 1"]);
    assert_eq!(found(tenancy, "T1"), has(1, &["pushed 1"]));
}

/// The library's own table is no drift: the tenant goes on being what its template says.
#[test]
fn the_ledger_is_no_part_of_the_schema() {
    let fleet = fleet_of(1);
    let tenancy = &fleet.tenancy;
    let before = tenancy.handle(&id("T1")).unwrap().record().unwrap();
    push(tenancy, 1);
    tenancy.migrate_tenant(&id("T1")).unwrap();
    let after = tenancy.handle(&id("T1")).unwrap().record().unwrap();
    assert_eq!(before.schema_fingerprint, after.schema_fingerprint);
}

// Other processes.

#[test]
fn two_processes_that_push_bring_it_once() {
    const TENANTS: usize = 12;
    let fleet = fleet_of(TENANTS);
    let mut actors = [(); 2].map(|()| Actor::spawn("push when told", &fleet.root));
    for actor in &mut actors {
        assert_eq!(actor.hear().unwrap(), "ready");
    }
    let mut pushes = Vec::new();
    for version in 1..=4 {
        for actor in &mut actors {
            actor.tell(&version.to_string());
        }
        let applied: Vec<usize> = actors
            .iter_mut()
            .map(|a| a.hear().unwrap().parse().unwrap())
            .collect();
        assert_eq!(
            applied.iter().sum::<usize>(),
            TENANTS,
            "version {version}: {applied:?}"
        );
        pushes.push(format!("pushed {version}"));
        for number in 1..=TENANTS {
            let tenant = format!("T{number}");
            assert_eq!(
                found(&fleet.tenancy, &tenant),
                (drugs(version), pushes.clone())
            );
        }
    }
    let again = push(&fleet.tenancy, 4);
    assert_eq!((again.applied().count(), again.is_complete()), (0, true));
    drop(actors);
    world::check(&fleet.root);
}

#[test]
fn a_push_that_was_killed_goes_on_with_the_rest() {
    const TENANTS: usize = 10;
    const KILLED_AFTER: usize = 4;
    let fleet = fleet_of(TENANTS);
    let mut actor = Actor::spawn("push and wait", &fleet.root);
    for _ in 0..KILLED_AFTER {
        assert_eq!(actor.hear().unwrap(), "one");
    }
    actor.kill();
    let applied = AtomicUsize::new(0);
    let report = fleet
        .tenancy
        .push_reference(&list(1), FanOut::new(), |progress| {
            let now = matches!(progress.tenant.outcome, PushOutcome::Applied { .. });
            applied.fetch_add(usize::from(now), Ordering::Relaxed);
        });
    assert!(report.unwrap().is_complete());
    // One more may have been committed before it was told of.
    let rest = TENANTS - KILLED_AFTER;
    assert!(
        (rest - 2..=rest).contains(&applied.load(Ordering::Relaxed)),
        "{applied:?}"
    );
    for number in 1..=TENANTS {
        assert_eq!(
            found(&fleet.tenancy, &format!("T{number}")),
            has(1, &["pushed 1"])
        );
    }
}

/// What the children of this module do.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    match part {
        "push" => {
            let tenancy = builder(root).open().unwrap();
            assert!(push(&tenancy, 1).is_complete());
            say("pushed");
        }
        "push when told" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            while let Ok(version) = told().parse() {
                let report = push_over(&tenancy, version, FanOut::new().parallelism(4));
                assert!(report.is_complete(), "{report:?}");
                say(report.applied().count());
            }
        }
        "push and wait" => {
            let tenancy = builder(root).open().unwrap();
            let mut left = 4;
            let over = FanOut::new().parallelism(1);
            let done = tenancy.push_reference(&list(1), over, |_| {
                say("one");
                left -= 1;
                if left == 0 {
                    // Until the parent kills us.
                    std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new()).unwrap();
                }
            });
            done.unwrap();
        }
        // Some system call of the first attempt may fail. It then fails whole, and the second one succeeds.
        "push twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let first = tenancy.push_reference(&list(1), FanOut::new(), |_| {});
            say(match first {
                Ok(report) if report.is_complete() => "pushed".to_owned(),
                other => format!("{other:?}"),
            });
            told();
            assert!(push(&tenancy, 1).is_complete());
            assert_eq!(
                found(&tenancy, "TH001"),
                has(1, &["one", "two", "three", "pushed 1"])
            );
            say("done");
        }
        _ => return false,
    }
    true
}

const PUSH: crashes::Operation = crashes::Operation {
    part: "push",
    before: crashes::with_rows,
    outcome: |tenancy| {
        let rows = ["one", "two", "three", "pushed 1"];
        let there = match found(tenancy, "TH001") {
            (list, names) if list.is_empty() => {
                assert_eq!(names, rows[..3]);
                false
            }
            whole => {
                assert_eq!(whole, has(1, &rows));
                true
            }
        };
        // The next one finishes it, and brings nothing twice.
        let report = push(tenancy, 1);
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(report.applied().count(), usize::from(!there));
        assert_eq!(found(tenancy, "TH001"), has(1, &rows));
        there
    },
};

#[cfg(feature = "failpoints")]
#[test]
fn killed_at_every_step() {
    crashes::failpoints::every_step(&PUSH, 6);
}

#[test]
fn killed_at_any_system_call() {
    if crashes::strace_works() {
        let kills = crashes::kill_at_system_calls(&PUSH);
        assert!(kills >= 5, "{kills}: the sweep did not get far");
    }
}

#[test]
fn failing_at_any_system_call() {
    if crashes::strace_works() {
        let failures = crashes::fail_at_system_calls("push twice", &PUSH);
        assert!(failures >= 1, "{failures}: the sweep did not get far");
    }
}

/// A context that stays open on a tenant does not keep the list from it; a fence does.
#[test]
fn a_tenant_that_gets_a_new_database_meanwhile_is_right_in_the_end() {
    let fleet = fleet_with(|b| b.freshness(Duration::from_secs(3600)));
    fleet.create("T1");
    let elsewhere = fleet.again();
    push(&fleet.tenancy, 1);
    elsewhere.compact(&id("T1")).unwrap();
    // This process believes in the old database, which is fenced: what it would write there is lost.
    push(&fleet.tenancy, 2);
    assert!(push(&fleet.tenancy, 2).is_complete());
    assert_eq!(found(&elsewhere, "T1"), has(2, &["pushed 1", "pushed 2"]));
    let waiting = patients::table
        .count()
        .get_result::<i64>(&mut elsewhere.tenant(&id("T1")).unwrap());
    assert_eq!(waiting.unwrap(), 2);
}

#[test]
fn the_formulary_example_tells_what_it_does() {
    let mut example = std::process::Command::new(env!("CARGO"));
    example.args(["run", "--quiet", "--example", "formulary"]);
    // With the features of this test, so that nothing is compiled a second time.
    if cfg!(all(feature = "failpoints", feature = "testing")) {
        example.arg("--all-features");
    }
    let output = example.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in [
        "version 1: brought to 3 of 3 hospitals",
        "version 1: brought to 0 of 3 hospitals",
        "NEW001 has not got version 1 yet",
        "version 2: brought to 4 of 4 hospitals",
        "4 hospitals keep 144 medicines, 12 of them at a price of their own",
    ] {
        assert!(said.lines().any(|l| l == line), "`{line}` in {said}");
    }
}
