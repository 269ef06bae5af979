//! Creating, closing, compacting and deleting tenants, alone and against other processes.
use std::collections::HashSet;
use std::time::{Duration, Instant};

use diesel_tenants::backend::{ConnectError, StorageError};
use diesel_tenants::error::{CreateError, LifecycleError};
use diesel_tenants::{OpenError, prelude::*};

use crate::actors::Actor;
use crate::app::{admit, builder, delete_at_once, fleet, fleet_with, names, patients};
use crate::world;

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

#[test]
fn opening_never_creates() {
    let fleet = fleet();
    let unknown = fleet.tenancy.tenant(&id("TH001")).unwrap_err();
    assert!(matches!(unknown, OpenError::UnknownTenant { .. }));
    assert_eq!(
        unknown.to_string(),
        "tenant `TH001` is not known; `Tenancy::create` makes a new one"
    );
    assert_eq!(
        std::fs::read_dir(fleet.root.join("tenants"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn an_id_is_taken_in_every_spelling() {
    let fleet = fleet();
    fleet.create("TEST_HOSPITAL");
    for other in ["test_hospital", "TEST-HOSPITAL", "Test-Hospital"] {
        let error = fleet.tenancy.create(&id(other), NewTenant::named("x"));
        let error = error.unwrap_err();
        assert!(
            matches!(error, CreateError::AlreadyExists { .. }),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            format!(
                "tenant `{other}` exists already, as `TEST_HOSPITAL` (active); ids differ by more than case \
                 and `-` or `_`"
            )
        );
        assert_eq!(
            fleet
                .tenancy
                .tenant(&id(other))
                .unwrap()
                .tenant_id()
                .as_str(),
            "TEST_HOSPITAL"
        );
    }
}

#[test]
fn ensure_makes_a_tenant_once() {
    let fleet = fleet();
    let new = || {
        NewTenant::named("Downtown Medical Center")
            .subdomain("dmc001")
            .plan("premium")
    };
    let first = fleet
        .tenancy
        .ensure(&id("DMC001"), new())
        .unwrap()
        .record()
        .unwrap();
    let second = fleet
        .tenancy
        .ensure(&id("DMC001"), new())
        .unwrap()
        .record()
        .unwrap();
    assert_eq!(first, second);
    assert_eq!(first.plan.as_deref(), Some("premium"));
    assert_eq!(first.schema_version.as_deref(), Some("20260102000000"));
    let at = fleet.tenancy.handle_at(&"dmc001".parse().unwrap()).unwrap();
    assert_eq!(at.id().as_str(), "DMC001");
}

/// Whoever asks for what another one is making waits for it: five of six were told that another process was at it.
#[test]
fn all_who_ensure_a_tenant_at_once_get_it() {
    let fleet = fleet();
    let (other, id) = (fleet.again(), id("DMC001"));
    let ensure = |tenancy: &Tenancy| {
        let new = NewTenant::named("Downtown Medical Center").subdomain("dmc001");
        tenancy.ensure(&id, new).unwrap().uuid()
    };
    let uuids: HashSet<_> = std::thread::scope(|threads| {
        let tenancies = [&fleet.tenancy, &other].repeat(3).into_iter();
        let all: Vec<_> = tenancies
            .map(|tenancy| threads.spawn(move || ensure(tenancy)))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(uuids.len(), 1);
}

#[test]
fn a_subdomain_belongs_to_one_tenant() {
    let fleet = fleet();
    let new = || NewTenant::named("x").subdomain("city");
    fleet.tenancy.create(&id("A1"), new()).unwrap();
    let taken = fleet.tenancy.create(&id("B1"), new()).unwrap_err();
    assert_eq!(
        taken.to_string(),
        "the subdomain `city` belongs to tenant `A1`; choose another"
    );
    fleet
        .tenancy
        .create(&id("B1"), NewTenant::named("x"))
        .unwrap();
}

#[test]
fn bad_names_are_refused_before_anything_is_made() {
    let fleet = fleet();
    for new in [
        NewTenant::named(""),
        NewTenant::named("a\0b"),
        NewTenant::named("fine").subdomain("-a"),
        NewTenant::named("fine").subdomain("www"),
    ] {
        let error = fleet.tenancy.create(&id("A1"), new).unwrap_err();
        assert!(
            matches!(
                error,
                CreateError::DisplayName(_) | CreateError::Subdomain(_)
            ),
            "{error:?}"
        );
    }
    assert!(fleet.tenancy.tenants().unwrap().is_empty());
    world::check(&fleet.root);
}

#[test]
fn only_the_drawn_transitions_are_possible() {
    // What the public verbs can do from each status they can reach. Two lead to the same status, from different ones.
    let fleet = fleet();
    let tenancy = &fleet.tenancy;
    let a = id("A1");
    fleet.create("A1");
    let status = || tenancy.handle(&a).unwrap().record().unwrap().status;
    type Verb = fn(&Tenancy, &TenantId) -> Result<(), LifecycleError>;
    use Status::{Active, Archived, Suspended};
    let verbs: [(&str, Verb, (Status, Status)); 4] = [
        ("suspend", Tenancy::suspend, (Active, Suspended)),
        ("resume", Tenancy::resume, (Suspended, Active)),
        ("archive", Tenancy::archive, (Suspended, Archived)),
        ("unarchive", Tenancy::unarchive, (Archived, Suspended)),
    ];
    let mut tried = 0;
    for path in [vec![], vec!["suspend"], vec!["suspend", "archive"]] {
        for (name, verb, (only, to)) in verbs {
            for step in &path {
                let (_, verb, _) = verbs.iter().find(|(n, ..)| n == step).unwrap();
                verb(tenancy, &a).unwrap();
            }
            let from = status();
            match verb(tenancy, &a) {
                Ok(()) => assert!(from == only && from.may_become(to), "{name} from {from}"),
                Err(LifecycleError::WrongStatus {
                    status,
                    to: Some(asked),
                    ..
                }) => {
                    assert!(from != only, "{name} from {from}");
                    assert_eq!((status, asked), (from, to));
                }
                Err(other) => panic!("{name} from {from}: {other:?}"),
            }
            // Back to active, for the next one.
            if status() == Status::Archived {
                tenancy.unarchive(&a).unwrap();
            }
            if status() == Status::Suspended {
                tenancy.resume(&a).unwrap();
            }
            tried += 1;
        }
    }
    assert_eq!((tried, status()), (12, Status::Active));
}

#[test]
fn a_suspended_tenant_opens_nothing_until_it_is_resumed() {
    let fleet = fleet();
    let tenant = fleet.create("A1");
    admit(&mut tenant.enter().unwrap(), "kept").unwrap();
    fleet.tenancy.suspend(&id("A1")).unwrap();
    let refused = tenant.enter().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "tenant `A1` is suspended, contexts are opened on active tenants only"
    );
    assert_eq!(fleet.tenancy.stats().open, 0, "its connections were kept");
    fleet.tenancy.resume(&id("A1")).unwrap();
    assert_eq!(names(&mut tenant.enter().unwrap()), ["kept"]);
}

#[test]
fn a_change_elsewhere_is_seen_within_the_freshness_bound() {
    let bound = Duration::from_millis(200);
    let fleet = fleet_with(|b| b.freshness(bound));
    let here = fleet.create("A1");
    drop(here.enter().unwrap());
    let elsewhere = fleet.again();
    elsewhere.suspend(&id("A1")).unwrap();
    let changed = Instant::now();
    loop {
        // Taken before the attempt, so that a machine that is busy elsewhere in between proves nothing.
        let age = changed.elapsed();
        let entered = here.enter();
        if matches!(entered, Err(OpenError::Unavailable { .. })) {
            break;
        }
        entered.unwrap();
        // The coarse clock ticks every few milliseconds.
        assert!(
            age < bound + Duration::from_millis(20),
            "still open after {age:?}"
        );
    }
    // The other way round the caller who is turned away gets the newest word at once.
    elsewhere.resume(&id("A1")).unwrap();
    here.enter().unwrap();
}

#[test]
fn of_two_processes_that_suspend_one_wins() {
    let fleet = fleet();
    let mut actors = [(); 2].map(|()| Actor::spawn("suspend when told", &fleet.root));
    for actor in &mut actors {
        assert_eq!(actor.hear().unwrap(), "ready");
    }
    for round in 0..50 {
        let name = format!("T{round}");
        fleet.create(&name);
        let said = race(&mut actors, &name);
        assert_eq!(said, ["lost", "won"], "round {round}");
    }
}

#[test]
fn of_two_processes_that_create_one_wins() {
    let fleet = fleet();
    let mut actors = [(); 2].map(|()| Actor::spawn("create when told", &fleet.root));
    for actor in &mut actors {
        assert_eq!(actor.hear().unwrap(), "ready");
    }
    for round in 0..50 {
        let said = race(&mut actors, &format!("T{round}"));
        assert_eq!(said, ["lost", "won"], "round {round}");
    }
    drop(actors);
    assert_eq!(world::check(&fleet.root).tenants().unwrap().len(), 50);
}

/// Tells all at once and returns what they say, sorted.
fn race(actors: &mut [Actor; 2], what: &str) -> Vec<String> {
    for actor in actors.iter_mut() {
        actor.tell(what);
    }
    let mut said: Vec<_> = actors.iter_mut().map(|a| a.hear().unwrap()).collect();
    said.sort();
    said
}

#[test]
fn compacting_makes_a_smaller_generation_and_keeps_every_row() {
    let fleet = fleet();
    let tenant = fleet.create("A1");
    let mut ctx = tenant.enter().unwrap();
    ctx.transaction(|ctx| {
        (0..2000).try_for_each(|n| admit(ctx, &format!("patient {n}")).map(drop))
    })
    .unwrap();
    diesel::delete(patients::table.filter(patients::id.gt(20)))
        .execute(&mut ctx)
        .unwrap();
    let kept = names(&mut ctx);
    drop(ctx);
    let done = fleet.tenancy.compact(&id("A1")).unwrap();
    assert!(done.after < done.before, "{done:?}");
    assert_eq!(done.generation, 2);
    let mut ctx = tenant.enter().unwrap();
    assert_eq!((ctx.generation(), names(&mut ctx)), (2, kept));
    admit(&mut ctx, "new").unwrap();
    drop(ctx);
    assert!(!fleet.file(&tenant, 1).exists());
    // The next one takes the next number.
    assert_eq!(fleet.tenancy.compact(&id("A1")).unwrap().generation, 3);
    world::check(&fleet.root);
}

/// What is missing in a table and still in its index is not in a copy, which is whole; and the original was removed.
#[test]
fn a_damaged_database_is_not_made_whole_by_compacting_it() {
    let fleet = fleet();
    let tenant = fleet.create("A1");
    let mut ctx = tenant.enter().unwrap();
    admit(&mut ctx, "acknowledged").unwrap();
    ctx.unrouted("damage", |raw| {
        diesel::connection::SimpleConnection::batch_execute(
            raw.connection(),
            "PRAGMA writable_schema = ON;
             DELETE FROM sqlite_schema WHERE name = 'visits_patient_id';
             PRAGMA writable_schema = RESET;",
        )
    })
    .unwrap();
    drop(ctx);
    let refused = fleet.tenancy.compact(&id("A1")).unwrap_err();
    let LifecycleError::Storage(StorageError::Connect(damaged)) = &refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(damaged, ConnectError::Damaged { .. }), "{refused}");
    assert!(fleet.file(&tenant, 1).exists());
    let mut ctx = tenant.enter().unwrap();
    assert_eq!((ctx.generation(), names(&mut ctx).len()), (1, 1));
}

#[test]
fn an_open_context_stands_in_the_way_and_nothing_has_changed() {
    let fleet = fleet_with(|b| b.drain_timeout(Duration::from_millis(20)));
    let tenant = fleet.create("A1");
    let open = tenant.enter().unwrap();
    let busy = fleet.tenancy.compact(&id("A1")).unwrap_err();
    assert!(
        matches!(busy, LifecycleError::Busy { open: 1, .. }),
        "{busy:?}"
    );
    assert!(busy.is_retryable());
    drop(open);
    let mut ctx = tenant.enter().unwrap();
    admit(&mut ctx, "goes on").unwrap();
    assert_eq!(ctx.generation(), 1);
    drop(ctx);
    // An attempt that failed has used its number up.
    assert_eq!(fleet.tenancy.compact(&id("A1")).unwrap().generation, 3);
}

/// A process with warm connections knows nothing of what another one does to the tenant. Without the fence in the
/// database it goes on committing into a file that has been copied already, and every such row is lost.
#[test]
fn no_acknowledged_row_of_another_process_is_lost_by_a_new_generation() {
    let fleet = fleet();
    fleet.create("TH001");
    for _round in 0..5 {
        let before = world::rows(&fleet.tenancy).len();
        let mut writer = Actor::spawn("write", &fleet.root);
        assert_eq!(writer.hear().unwrap(), "ready");
        for expected in 0..20 {
            assert_eq!(writer.hear().unwrap(), expected.to_string());
        }
        let done = fleet.tenancy.compact(&id("TH001")).unwrap();
        let mut acknowledged = 20;
        loop {
            let said = writer.hear().expect("it says why it ends");
            match said.parse::<usize>() {
                Ok(number) => {
                    assert_eq!(number, acknowledged);
                    acknowledged += 1;
                }
                Err(_) => {
                    assert_eq!(said, "fenced TH001");
                    break;
                }
            }
        }
        let old: usize = writer.hear().unwrap().parse().unwrap();
        writer.wait();
        let rows = world::rows(&fleet.tenancy);
        assert_eq!(
            rows.len(),
            before + acknowledged,
            "generation {}",
            done.generation
        );
        assert_eq!(old, rows.len());
    }
}

/// What a process that knows nothing yet could do to a database that was copied already.
#[test]
fn a_fenced_database_takes_no_write_of_any_kind() {
    use diesel::connection::SimpleConnection;
    use diesel_tenants::error::TenantFenced;

    let fleet = fleet_with(|b| b.freshness(Duration::from_secs(3600)));
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "one").unwrap();
    let mut stale = tenant.enter().unwrap();
    fleet.again().compact(&id("TH001")).unwrap();

    let row = (
        patients::id.eq(1),
        patients::name.eq("new"),
        patients::ward.eq("A"),
    );
    let all = patients::table;
    let attempts: Vec<QueryResult<usize>> = vec![
        diesel::insert_into(all).values(row).execute(&mut stale),
        diesel::insert_into(all)
            .values(&vec![row, row])
            .execute(&mut stale),
        diesel::insert_or_ignore_into(all)
            .values(row)
            .execute(&mut stale),
        diesel::replace_into(all).values(row).execute(&mut stale),
        diesel::insert_into(all)
            .values(row)
            .on_conflict_do_nothing()
            .execute(&mut stale),
        diesel::update(all)
            .set(patients::ward.eq("B"))
            .execute(&mut stale),
        diesel::delete(all).execute(&mut stale),
        diesel::delete(all.find(1)).execute(&mut stale),
        stale.transaction(|stale| admit(stale, "two")),
        stale.unrouted("raw", |raw| {
            raw.connection()
                .batch_execute("INSERT OR IGNORE INTO patients VALUES (9, 'x', 'y')")?;
            Ok(1)
        }),
    ];
    for (number, attempt) in attempts.into_iter().enumerate() {
        let error = attempt.expect_err("a write into the old database succeeded");
        let raw = error
            .to_string()
            .contains("__tenants: this database is fenced");
        assert!(
            TenantFenced::of(&error).is_some() || raw,
            "{number}: {error:?}"
        );
    }
    assert_eq!(names(&mut stale), ["one"]);
    drop(stale);
    assert_eq!(
        names(&mut fleet.again().tenant(&id("TH001")).unwrap()),
        ["one"]
    );
}

#[test]
fn a_tenant_made_again_never_shows_rows_of_the_deleted_one() {
    let fleet = fleet();
    let old = fleet.create("TH001");
    admit(&mut old.enter().unwrap(), "of the deleted one").unwrap();
    let directory = fleet.file(&old, 1).parent().unwrap().to_owned();
    let th001 = id("TH001");
    delete_at_once(&fleet.tenancy, &th001);
    fleet.tenancy.purge(&th001, "TH001").unwrap();
    assert!(!directory.exists());

    let retired = fleet
        .tenancy
        .create(&th001, NewTenant::named("again"))
        .unwrap_err();
    assert_eq!(
        retired.to_string(),
        "the id `TH001` belonged to a tenant that was deleted; choose another, or `reuse_retired_id` for a new, \
         empty tenant"
    );
    let new = NewTenant::named("again").reuse_retired_id();
    let new = fleet.tenancy.create(&th001, new).unwrap();
    assert!(names(&mut new.enter().unwrap()).is_empty());
    assert_ne!(old.record().unwrap().uuid, new.record().unwrap().uuid);
    assert_ne!(directory, fleet.file(&new, 1).parent().unwrap());
    // The old handle stays bound to the old tenant.
    let refused = old.enter().unwrap_err();
    assert!(matches!(
        refused,
        OpenError::Unavailable {
            status: Status::Deleted,
            ..
        }
    ));
}

#[test]
fn what_a_living_process_works_on_is_left_to_it() {
    let fleet = fleet();
    fleet.create("TH001");
    let mut holder = Actor::spawn("hold", &fleet.root);
    assert_eq!(holder.hear().unwrap(), "holding");
    // A context that only sits there in another process holds nothing up: the fence in the database is what counts.
    assert_eq!(fleet.tenancy.compact(&id("TH001")).unwrap().generation, 2);
    holder.kill();
}

#[test]
fn a_second_library_on_the_same_directory_sees_the_same_fleet() {
    let fleet = fleet();
    fleet.create("A1");
    let other = builder(&fleet.root).open().unwrap();
    assert_eq!(other.tenants().unwrap(), fleet.tenancy.tenants().unwrap());
}

#[test]
fn words_of_sql_are_ids_like_any_other() {
    let fleet = fleet();
    for word in ["select", "user", "table", "null-"] {
        let tenant = fleet.create(word);
        admit(&mut tenant.enter().unwrap(), word).unwrap();
        assert_eq!(names(&mut fleet.tenancy.tenant(&id(word)).unwrap()), [word]);
        fleet.tenancy.compact(&id(word)).unwrap();
    }
    world::check(&fleet.root);
}

#[test]
fn an_untrusted_caller_cannot_tell_which_tenants_there_are() {
    let fleet = fleet();
    for code in ["A1", "B1", "C1"] {
        let new = NewTenant::named("x").subdomain(code.to_lowercase());
        fleet.tenancy.create(&id(code), new).unwrap();
    }
    let handle = |subdomain: &str| fleet.tenancy.handle_at(&subdomain.parse().unwrap());
    let deleted = handle("c1").unwrap();
    for code in ["A1", "B1"] {
        fleet.tenancy.suspend(&id(code)).unwrap();
    }
    fleet.tenancy.archive(&id("B1")).unwrap();
    delete_at_once(&fleet.tenancy, &id("C1"));
    fleet.tenancy.purge(&id("C1"), "C1").unwrap();

    let answers = [
        handle("a1").unwrap().enter(),
        handle("b1").unwrap().enter(),
        handle("c1").and_then(|tenant| tenant.enter()),
        handle("never").and_then(|tenant| tenant.enter()),
        deleted.enter(),
        fleet.tenancy.tenant(&id("never")),
    ]
    .map(|entered| {
        entered
            .unwrap_err()
            .for_untrusted()
            .expect("one answer")
            .to_string()
    });
    assert_eq!(answers, ["this tenant is not available"; 6]);
}

/// SQLite does not wait, whatever the busy timeout says, for a connection that recovers the WAL of one that was killed,
/// nor for one that is the last to close.
#[test]
fn processes_that_open_at_once_after_a_kill_all_get_in() {
    let fleet = fleet();
    let root = fleet.root.clone();
    fleet.create("TH001");
    drop(fleet.tenancy);
    for _ in 0..15 {
        let mut killed = Actor::spawn("write", &root);
        assert_eq!(killed.hear().as_deref(), Some("ready"));
        killed.kill();
        let mut actors = [(); 6].map(|()| Actor::spawn("open", &root));
        for actor in &mut actors {
            assert_eq!(actor.hear().as_deref(), Some("opened"));
        }
    }
}
