//! The prover of the test kit notices what it is there to notice.
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::error::Error;

use diesel_tenants::testing::{IsolationError, IsolationProver, Leak, Place, TestFleet};
use diesel_tenants::{OpenError, prelude::*};

use super::{id, open};
use crate::app::schema::{archive, hospitals, visits};
use crate::app::{ROUTES, admit, patients, shared_migrations, tenant_migrations, users};

fn visit(ctx: &mut TenantContext, reason: &str) -> QueryResult<usize> {
    let row = (patients::name.eq("parent"), patients::ward.eq("A"));
    let insert = diesel::insert_into(patients::table).values(row);
    let patient: i32 = insert.returning(patients::id).get_result(ctx)?;
    let row = (visits::patient_id.eq(patient), visits::reason.eq(reason));
    diesel::insert_into(visits::table).values(row).execute(ctx)
}

fn file(ctx: &mut TenantContext, name: &str) -> QueryResult<usize> {
    let row = (archive::name.eq(name), archive::ward.eq("A"));
    diesel::insert_into(archive::table).values(row).execute(ctx)
}

fn hire(ctx: &mut SharedContext, name: &str) -> QueryResult<usize> {
    let insert = diesel::insert_into(users::table).values(users::name.eq(name));
    insert.execute(ctx)
}

fn found(ctx: &mut SharedContext, name: &str) -> QueryResult<usize> {
    let insert = diesel::insert_into(hospitals::table).values(hospitals::name.eq(name));
    insert.execute(ctx)
}

/// Everything covered but `patients` and `users`.
fn most(tenancy: &Tenancy) -> IsolationProver<'_> {
    IsolationProver::new(tenancy)
        .tenant_canary("visits", visit)
        .tenant_canary("archive", file)
        .shared_canary("hospitals", found)
}

fn prover(tenancy: &Tenancy) -> IsolationProver<'_> {
    most(tenancy)
        .tenant_canary("patients", admit)
        .shared_canary("users", hire)
}

fn leaks(error: IsolationError) -> Vec<Leak> {
    match error {
        IsolationError::Leak { leaks } => leaks,
        other => panic!("{other:?}"),
    }
}

#[test]
fn isolation_is_proved_and_reported() {
    let fleet = open();
    let report = prover(fleet.tenancy()).run().unwrap();
    assert_eq!(report.tenants.len(), 3);
    assert_eq!(
        report.tables,
        ["users", "hospitals", "patients", "visits", "archive"]
    );
    assert_eq!((report.canaries, report.databases), (3 * 3 + 2, 4));
    assert!(report.exempt.is_empty());
    // Three tables of three columns each would be 27 in the tenants alone, and the library has its own.
    assert!(report.columns > 3 * 9 + 4, "{report:?}");
    assert!(report.values > 3 * (9 + 3) + 4, "{report:?}");

    // Again on the same fleet, beside other tenants and an exempt table.
    fleet.tenant_named("TH001").unwrap();
    let second = most(fleet.tenancy())
        .tenant_canary("patients", admit)
        .exempt("users", "filled by the identity provider")
        .run()
        .unwrap();
    assert_eq!((second.canaries, second.databases), (3 * 3 + 1, 8));
    let text = second.to_string();
    assert!(
        text.starts_with("10 canaries of 4 tables and 3 tenants, "),
        "{text}"
    );
    assert!(
        text.ends_with("exempt: users: filled by the identity provider\n"),
        "{text}"
    );
}

#[test]
fn a_resolver_that_mixes_up_one_tenant_is_found_out() {
    let fleet = open();
    let mut seen: Vec<TenantId> = Vec::new();
    let error = prover(fleet.tenancy())
        .opened_by(|tenancy, id| {
            if !seen.contains(id) {
                seen.push(*id);
            }
            // The third one asked for gets the first one's database.
            let wrong = seen.get(2).is_some_and(|third| third == id);
            tenancy.tenant(if wrong { &seen[0] } else { id })
        })
        .run()
        .unwrap_err();
    let text = error.to_string();
    let leaks = leaks(error);
    assert_eq!(leaks.len(), 3, "one for each tenant table");
    for leak in &leaks {
        assert_eq!(leak.written_by, Place::Tenant(seen[2]));
        assert_eq!(leak.found_in, Place::Tenant(seen[0]));
        assert_eq!(leak.table, leak.found_table);
    }
    for name in [seen[2].as_str(), seen[0].as_str(), leaks[0].canary.as_str()] {
        assert!(text.contains(name), "{text}");
    }
    assert!(text.ends_with("(and 2 more)"), "{text}");
}

#[test]
fn a_resolver_that_swaps_two_tenants_is_found_out() {
    let fleet = open();
    let ids = ["a1", "b1", "c1"].map(|name| fleet.tenant_named(name).unwrap().id());
    let swapped = |id: &TenantId| match id.as_str() {
        "a1" => ids[1],
        "b1" => ids[0],
        _ => *id,
    };
    let error = prover(fleet.tenancy())
        .tenants(ids)
        .opened_by(|tenancy, id| tenancy.tenant(&swapped(id)))
        .run();
    let leaks = leaks(error.unwrap_err());
    let pairs: BTreeSet<_> = leaks
        .iter()
        .map(|leak| (leak.written_by, leak.found_in))
        .collect();
    let [a, b, _] = ids.map(Place::Tenant);
    assert_eq!(pairs, BTreeSet::from([(a, b), (b, a)]));
}

#[test]
fn a_resolver_that_always_gives_the_first_tenant_is_found_out() {
    let fleet = open();
    // Not one of the prover's own.
    let first = fleet.tenant_named("aa-first").unwrap();
    let error = prover(fleet.tenancy())
        .opened_by(|tenancy, _| tenancy.tenant(&tenancy.tenants()?[0].id))
        .run()
        .unwrap_err();
    let leaks = leaks(error);
    assert_eq!(leaks.len(), 9);
    assert!(
        leaks
            .iter()
            .all(|leak| leak.found_in == Place::Tenant(first.id()))
    );
    let written_by: BTreeSet<_> = leaks.iter().map(|leak| leak.written_by).collect();
    assert_eq!(written_by.len(), 3);
}

#[test]
fn a_resolver_that_remembers_the_last_tenant_is_found_out() {
    // Right whenever it is asked for the same tenant twice in a row, and on its first call.
    let fleet = open();
    let last = Cell::new(None);
    let error = prover(fleet.tenancy())
        .opened_by(|tenancy, id| {
            let stale = last.replace(Some(*id)).unwrap_or(*id);
            tenancy.tenant(&stale)
        })
        .run();
    assert!(!leaks(error.unwrap_err()).is_empty());
}

#[test]
fn a_resolver_that_is_right_once_is_found_out() {
    // Gives every tenant its own database the first time, and the first one's from then on.
    let fleet = open();
    let seen = RefCell::new(Vec::new());
    let error = prover(fleet.tenancy())
        .opened_by(|tenancy, id| {
            let mut seen = seen.borrow_mut();
            match seen.contains(id) {
                true => tenancy.tenant(&seen[0]),
                false => {
                    seen.push(*id);
                    tenancy.tenant(id)
                }
            }
        })
        .run();
    assert_eq!(leaks(error.unwrap_err()).len(), 4);
}

#[test]
fn a_leak_is_named_before_the_insert_it_makes_fail() {
    let fleet = open();
    let insert = |ctx: &mut TenantContext, canary: &str| {
        let row = (
            patients::id.eq(1),
            patients::name.eq(canary),
            patients::ward.eq("A"),
        );
        diesel::insert_into(patients::table)
            .values(row)
            .execute(ctx)
    };
    let first = Cell::new(None);
    let error = IsolationProver::new(fleet.tenancy())
        .tenant_canary("patients", insert)
        .tenant_canary("visits", visit)
        .tenant_canary("archive", |ctx, canary| {
            // Fails where the first one has been before.
            let row = (
                archive::id.eq(1),
                archive::name.eq(canary),
                archive::ward.eq("A"),
            );
            diesel::insert_into(archive::table).values(row).execute(ctx)
        })
        .shared_canary("users", hire)
        .shared_canary("hospitals", found)
        .opened_by(|tenancy, id| {
            let calls = first.get().unwrap_or(0);
            first.set(Some(calls + 1));
            // Visits of one tenant go astray; then the archive, where the key is taken.
            match calls {
                4 | 7 => tenancy.tenant(&tenancy.tenants()?[0].id),
                _ => tenancy.tenant(id),
            }
        })
        .run();
    assert_eq!(leaks(error.unwrap_err()).len(), 1);
}

#[test]
fn a_canary_that_reaches_the_shared_database_is_a_leak() {
    let fleet = open();
    let tenancy = fleet.tenancy();
    let error = most(tenancy)
        .shared_canary("users", hire)
        .tenant_canary("patients", |ctx, canary| {
            hire(&mut tenancy.shared().unwrap(), &format!("name of {canary}"))?;
            admit(ctx, canary)
        })
        .run();
    let leaks = leaks(error.unwrap_err());
    assert_eq!(leaks.len(), 3);
    for leak in leaks {
        assert!(matches!(leak.written_by, Place::Tenant(_)));
        assert_eq!((leak.table, leak.found_in), ("patients", Place::Shared));
        assert_eq!((&*leak.found_table, &*leak.found_column), ("users", "name"));
    }
}

#[test]
fn a_shared_canary_that_reaches_a_tenant_is_a_leak() {
    let fleet = open();
    let tenancy = fleet.tenancy();
    let other = fleet.tenant_named("TH001").unwrap();
    let error = most(tenancy)
        .tenant_canary("patients", admit)
        .shared_canary("users", |ctx, canary| {
            admit(&mut other.enter().unwrap(), canary)?;
            hire(ctx, canary)
        })
        .run();
    let leaks = leaks(error.unwrap_err());
    assert_eq!(leaks.len(), 1);
    assert_eq!(
        (leaks[0].table, leaks[0].written_by),
        ("users", Place::Shared)
    );
    assert_eq!(leaks[0].found_in, Place::Tenant(other.id()));
}

#[test]
fn a_leak_is_found_in_any_table_column_and_form() {
    let forms = [
        "X'00FF' || CAST(upper('{}') AS BLOB)",
        "CAST('{}' AS BLOB)",
        "'{\"text\":\"' || '{}' || '\"}'",
        "char(0) || '{}'",
    ];
    for form in forms {
        let fleet = open();
        let other = fleet.tenant_named("TH001").unwrap();
        let error = most(fleet.tenancy())
            .shared_canary("users", hire)
            .tenant_canary("patients", |ctx, canary| {
                // A table no migration knows of, with a name that needs quotes, and no text column.
                other.enter().unwrap().unrouted("test", |raw| {
                    let table = "CREATE TABLE IF NOT EXISTS \"a \"\"b\" (id INTEGER, \"c d\" BLOB)";
                    diesel::sql_query(table).execute(raw)?;
                    let value = form.replace("{}", canary);
                    let insert = format!("INSERT INTO \"a \"\"b\" VALUES (1, {value})");
                    diesel::sql_query(insert).execute(raw)
                })?;
                admit(ctx, canary)
            })
            .run();
        let leaks = leaks(error.unwrap_err());
        assert_eq!(leaks.len(), 3, "{form}");
        assert_eq!(leaks[0].found_table, "a \"b");
        assert_eq!(leaks[0].found_column, "c d");
    }
}

#[test]
fn a_leak_is_found_in_a_generated_column() {
    let halves = "CREATE TABLE halves (a TEXT, b TEXT, whole TEXT AS (a || b))";
    let halves = MigrationSet::new([MigrationScript::new("20260103000000", "halves", halves)]);
    let migrations = tenant_migrations().and(halves);
    let fleet = TestFleet::open(&ROUTES, shared_migrations(), migrations).unwrap();
    let other = fleet.tenant_named("TH001").unwrap();
    let error = most(fleet.tenancy())
        .shared_canary("users", hire)
        .tenant_canary("patients", |ctx, canary| {
            let (a, b) = canary.split_at(canary.len() / 2);
            other.enter().unwrap().unrouted("test", |raw| {
                let insert = format!("INSERT INTO halves (a, b) VALUES ('{a}', '{b}')");
                diesel::sql_query(insert).execute(raw)
            })?;
            admit(ctx, canary)
        })
        .run();
    let leaks = leaks(error.unwrap_err());
    assert_eq!(leaks.len(), 3);
    assert_eq!(leaks[0].found_column, "whole");
}

#[test]
fn a_canary_in_another_table_of_its_own_database_is_a_leak() {
    let fleet = open();
    let error = most(fleet.tenancy())
        .shared_canary("users", hire)
        .tenant_canary("patients", |ctx, canary| {
            file(ctx, canary)?;
            admit(ctx, canary)
        })
        .run();
    let leaks = leaks(error.unwrap_err());
    assert_eq!(leaks.len(), 3);
    for leak in leaks {
        assert_eq!(leak.written_by, leak.found_in);
        assert_eq!((leak.table, &*leak.found_table), ("patients", "archive"));
    }
}

#[test]
fn leaks_into_other_databases_come_first() {
    let fleet = open();
    let last = fleet.tenant_named("zz-last").unwrap();
    let error = most(fleet.tenancy())
        .shared_canary("users", hire)
        .tenant_canary("patients", |ctx, canary| {
            file(ctx, canary)?;
            file(&mut last.enter().unwrap(), canary)?;
            admit(ctx, canary)
        })
        .run();
    let places: Vec<_> = leaks(error.unwrap_err())
        .iter()
        .map(|leak| leak.found_in)
        .collect();
    assert_eq!(places.len(), 6);
    assert_eq!(places[..3], [Place::Tenant(last.id()); 3]);
    assert!(!places[3..].contains(&Place::Tenant(last.id())));
}

#[test]
fn copies_in_the_same_database_can_be_declared() {
    let trigger = "CREATE TABLE log (text TEXT);
                   CREATE TRIGGER patients_log AFTER INSERT ON patients
                   BEGIN INSERT INTO log VALUES (new.name); END";
    let trigger = MigrationSet::new([MigrationScript::new("20260103000000", "log", trigger)]);
    let migrations = tenant_migrations().and(trigger);
    let fleet = TestFleet::open(&ROUTES, shared_migrations(), migrations).unwrap();
    assert_eq!(leaks(prover(fleet.tenancy()).run().unwrap_err()).len(), 3);
    let declared = || prover(fleet.tenancy()).copied_to("patients", "log", "the log of changes");
    declared().run().unwrap();

    // Not from another tenant, and not from another table.
    let first = Cell::new(None);
    let mixed_up = declared().opened_by(|tenancy, id| {
        first.set(first.get().or(Some(*id)));
        tenancy.tenant(&first.get().unwrap())
    });
    let found: Vec<_> = leaks(mixed_up.run().unwrap_err());
    assert_eq!(
        found
            .iter()
            .filter(|leak| leak.found_table == "log")
            .count(),
        2
    );
    let other = prover(fleet.tenancy()).copied_to("archive", "log", "a mistake");
    assert_eq!(leaks(other.run().unwrap_err()).len(), 3);

    // Not in a third table, and not instead of the row itself.
    let partial = || {
        most(fleet.tenancy())
            .shared_canary("users", hire)
            .copied_to("patients", "log", "the log of changes")
    };
    let elsewhere = partial().tenant_canary("patients", |ctx, canary| {
        file(ctx, canary)?;
        admit(ctx, canary)
    });
    let found = leaks(elsewhere.run().unwrap_err());
    assert!(found.iter().all(|leak| leak.found_table == "archive"));
    let only_the_copy = partial().tenant_canary("patients", |ctx, canary| {
        ctx.unrouted("test", |raw| {
            diesel::sql_query(format!("INSERT INTO log VALUES ('{canary}')")).execute(raw)
        })
    });
    let error = only_the_copy.run().unwrap_err();
    assert!(
        matches!(
            error,
            IsolationError::NotWritten {
                table: "patients",
                ..
            }
        ),
        "{error:?}"
    );

    let stale = declared()
        .copied_to("archive", "log", "there is no such trigger")
        .run();
    assert!(
        matches!(&stale, Err(IsolationError::StaleCopy { table, copy }) if table == "archive" && copy == "log"),
        "{stale:?}"
    );
    let reason = prover(fleet.tenancy())
        .copied_to("patients", "log", " ")
        .run();
    assert!(matches!(reason, Err(IsolationError::NoReason { .. })));
}

#[test]
fn a_canary_that_is_not_written_is_an_error() {
    let fleet = open();
    let not_written = |result: Result<_, IsolationError>| match result {
        Err(IsolationError::NotWritten {
            canary,
            table,
            place,
        }) => (canary, table, place),
        other => panic!("{other:?}"),
    };
    let nothing = most(fleet.tenancy())
        .shared_canary("users", hire)
        .tenant_canary("patients", |_, _| Ok(()));
    let (canary, table, place) = not_written(nothing.run());
    assert!(canary.starts_with("canary-"));
    assert_eq!(table, "patients");
    assert!(matches!(place, Place::Tenant(_)));

    let another_text = most(fleet.tenancy())
        .tenant_canary("patients", admit)
        .shared_canary("users", |ctx, _| hire(ctx, "somebody"));
    assert_eq!(not_written(another_text.run()).1, "users");

    // For one tenant of three only.
    let mut calls = 0;
    let once_not = most(fleet.tenancy())
        .shared_canary("users", hire)
        .tenant_canary("patients", |ctx, canary| {
            calls += 1;
            if calls == 2 {
                Ok(0)
            } else {
                admit(ctx, canary)
            }
        });
    let (_, table, place) = not_written(once_not.run());
    assert_eq!(table, "patients");
    assert!(
        matches!(place, Place::Tenant(id) if id.as_str().ends_with("-2")),
        "{place}"
    );
}

#[test]
fn every_routed_table_needs_a_canary_or_a_reason() {
    let fleet = open();
    let uncovered = most(fleet.tenancy()).run().unwrap_err();
    let text = uncovered.to_string();
    assert!(
        matches!(uncovered, IsolationError::Uncovered { tables } if tables == ["users", "patients"])
    );
    assert_eq!(
        text,
        "routed tables without a canary: users, patients; give each one a canary, or an exemption with a reason"
    );

    let refused = |prover: IsolationProver<'_>| prover.run().unwrap_err();
    for reason in ["", "  \n"] {
        let error = refused(
            most(fleet.tenancy())
                .tenant_canary("patients", admit)
                .exempt("users", reason),
        );
        assert!(matches!(error, IsolationError::NoReason { table } if table == "users"));
    }
    let full = || prover(fleet.tenancy());
    let error = refused(full().exempt("beds", "numbers only"));
    assert!(matches!(error, IsolationError::StaleExemption { table } if table == "beds"));
    let error = refused(full().exempt("users", "for no reason"));
    assert!(matches!(
        error,
        IsolationError::NeedlessExemption { table: "users" }
    ));
    let error = refused(full().tenant_canary("beds", admit));
    assert!(matches!(error, IsolationError::NotRouted { table } if table == "beds"));
    let error = refused(full().shared_canary("beds", hire));
    assert!(matches!(error, IsolationError::NotRouted { table } if table == "beds"));
    let error = refused(full().tenant_canary("patients", admit));
    assert!(matches!(
        error,
        IsolationError::Repeated { table: "patients" }
    ));
    let twice = most(fleet.tenancy()).tenant_canary("patients", admit);
    let error = refused(twice.exempt("users", "one").exempt("users", "two"));
    assert!(matches!(error, IsolationError::Repeated { table: "users" }));
    let error = refused(most(fleet.tenancy()).tenant_canary("users", admit));
    assert!(matches!(
        error,
        IsolationError::WrongScope {
            table: "users",
            scope: ScopeKind::Shared
        }
    ));
    let error = refused(most(fleet.tenancy()).shared_canary("patients", hire));
    assert!(matches!(
        error,
        IsolationError::WrongScope {
            table: "patients",
            scope: ScopeKind::Tenant
        }
    ));
    let error = ["users", "hospitals", "patients", "visits", "archive"]
        .into_iter()
        .fold(IsolationProver::new(fleet.tenancy()), |prover, table| {
            prover.exempt(table, "lazy")
        });
    assert!(matches!(refused(error), IsolationError::NothingToProve));
    // All of it before anything was written or created.
    assert!(fleet.tenancy().tenants().unwrap().is_empty());
}

#[test]
fn two_tenants_prove_nothing() {
    let fleet = open();
    let ids = ["a1", "b1"].map(|name| fleet.tenant_named(name).unwrap().id());
    let few = prover(fleet.tenancy())
        .tenants([ids[0], ids[1], id("A1")])
        .run();
    let Err(IsolationError::TooFewTenants { given: 2, least: 3 }) = few else {
        panic!("{few:?}");
    };
}

#[test]
fn what_fails_says_where() {
    let fleet = open();
    fn cause(error: &IsolationError) -> String {
        error.source().unwrap().to_string()
    }
    let error = prover(fleet.tenancy())
        .opened_by(|_, _| Err("no such host"))
        .run()
        .unwrap_err();
    assert!(matches!(
        error,
        IsolationError::Open {
            place: Place::Tenant(_),
            ..
        }
    ));
    assert_eq!(cause(&error), "no such host");

    let error = most(fleet.tenancy())
        .shared_canary("users", hire)
        .tenant_canary("patients", |ctx, _| {
            ctx.unrouted("test", |raw| {
                diesel::sql_query("INSERT INTO beds VALUES (1)").execute(raw)
            })
        })
        .run()
        .unwrap_err();
    let IsolationError::Write {
        table: "patients",
        place: Place::Tenant(_),
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert!(cause(&error).contains("beds"), "{error:?}");

    // A column that cannot be read: the number has no absolute value.
    let other = fleet.tenant_named("TH001").unwrap();
    let mut ctx = other.enter().unwrap();
    ctx.unrouted("test", |raw| {
        diesel::sql_query("CREATE TABLE t (a INTEGER)").execute(raw)?;
        diesel::sql_query("INSERT INTO t (a) VALUES (-9223372036854775808)").execute(raw)?;
        diesel::sql_query("ALTER TABLE t ADD COLUMN b INTEGER AS (abs(a))").execute(raw)
    })
    .unwrap();
    let error = prover(fleet.tenancy()).run().unwrap_err();
    let IsolationError::Query { place, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*place, Place::Tenant(other.id()));
    assert_eq!(cause(&error), "integer overflow");
    ctx.unrouted("test", |raw| diesel::sql_query("DROP TABLE t").execute(raw))
        .unwrap();

    let ids = ["a1", "b1", "c1"].map(|name| fleet.tenant_named(name).unwrap().id());
    fleet.tenancy().suspend(&ids[2]).unwrap();
    let error = prover(fleet.tenancy()).tenants(ids).run().unwrap_err();
    let IsolationError::Open { place, source } = error else {
        panic!("{error:?}");
    };
    assert_eq!(place, Place::Tenant(ids[2]));
    assert!(matches!(
        source.downcast_ref(),
        Some(OpenError::Unavailable { .. })
    ));
}

#[test]
fn errors_hold_canaries_and_no_other_data() {
    const SECRET: &str = "Ada Lovelace";
    let fleet = open();
    let first = Cell::new(None);
    let error = most(fleet.tenancy())
        .shared_canary("users", hire)
        .tenant_canary("patients", |ctx, canary| {
            admit(ctx, SECRET)?;
            admit(ctx, &format!("{SECRET} {canary} {SECRET}"))
        })
        .opened_by(|tenancy, id| {
            first.set(first.get().or(Some(*id)));
            tenancy.tenant(&first.get().unwrap())
        })
        .run()
        .unwrap_err();
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(text.contains("canary-"), "{text}");
        assert!(!text.to_lowercase().contains("lovelace"), "{text}");
    }
}
