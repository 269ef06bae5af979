//! Contexts: transactions, the escape hatch, and what only the database can refuse.
use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::SimpleConnection;
use diesel::dsl::{exists, sql};
use diesel::result::Error;
use diesel::sql_types::{Bool, Text};
use diesel_tenants::error::{ContextPoisoned, MissingTable, ReadOnlyTransaction, StaleGeneration};
use diesel_tenants::{PoolConfig, prelude::*};

use crate::app::schema::{archive, hospitals, visits};
use crate::app::{Fleet, admit, fleet, fleet_with, names, patients, users};

mod exchanged;
mod rows;

fn one_connection() -> Fleet {
    fleet_with(|b| b.pool(PoolConfig::default().with_max_per_database(1).unwrap()))
}

#[test]
fn a_transaction_keeps_what_succeeds_and_nothing_of_what_fails() {
    let fleet = fleet();
    let mut ctx = fleet.create("th001").enter().unwrap();

    ctx.transaction(|ctx| admit(ctx, "kept")).unwrap();
    let failed = ctx.transaction(|ctx| {
        admit(ctx, "dropped")?;
        Err::<(), _>(Error::RollbackTransaction)
    });
    assert_eq!(failed, Err(Error::RollbackTransaction));
    assert_eq!(names(&mut ctx), ["kept"]);
}

#[test]
fn an_inner_transaction_that_fails_leaves_the_outer_one_whole() {
    let fleet = fleet();
    let mut ctx = fleet.create("th001").enter().unwrap();
    ctx.transaction(|ctx| {
        admit(ctx, "outer")?;
        let inner = ctx.transaction(|ctx| {
            admit(ctx, "inner")?;
            Err::<(), _>(Error::RollbackTransaction)
        });
        assert!(inner.is_err());
        ctx.transaction(|ctx| admit(ctx, "second"))
    })
    .unwrap();
    assert_eq!(names(&mut ctx), ["outer", "second"]);
}

#[test]
fn a_write_transaction_takes_the_lock_before_it_reads() {
    // A deferred transaction that has read cannot write any more once somebody else has, whatever the busy timeout.
    let fleet = fleet();
    let tenant = fleet.create("th001");
    let (mut a, mut b) = (tenant.enter().unwrap(), tenant.enter().unwrap());
    std::thread::scope(|threads| {
        let (begun, wait) = std::sync::mpsc::channel();
        a.transaction(|a| {
            names(a);
            threads.spawn(move || {
                begun.send(()).unwrap();
                b.transaction(|b| admit(b, "b")).unwrap();
            });
            wait.recv().unwrap();
            admit(a, "a")
        })
        .unwrap();
    });
    assert_eq!(names(&mut a), ["a", "b"]);
}

#[test]
fn a_read_transaction_sees_one_snapshot_and_cannot_write() {
    let fleet = fleet();
    let tenant = fleet.create("th001");
    let (mut reader, mut writer) = (tenant.enter().unwrap(), tenant.enter().unwrap());
    reader
        .read_transaction(|reader| {
            assert!(names(reader).is_empty());
            admit(&mut writer, "later")?;
            assert!(names(reader).is_empty(), "the snapshot moved");
            let refused = admit(reader, "never").unwrap_err();
            assert!(ReadOnlyTransaction::of(&refused).is_some(), "{refused}");
            let refused = reader.transaction(|reader| admit(reader, "never"));
            assert!(ReadOnlyTransaction::of(&refused.unwrap_err()).is_some());
            QueryResult::Ok(())
        })
        .unwrap();
    assert_eq!(names(&mut reader), ["later"]);
    // The right to write is back, on this context and on the connection it gives back.
    admit(&mut reader, "again").unwrap();
}

#[test]
fn a_caught_panic_cannot_lead_to_an_acknowledged_commit() {
    // Diesel alone returns `Ok` from the second transaction, whose row is rolled back with the abandoned first one.
    let fleet = one_connection();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        ctx.transaction(|ctx| -> QueryResult<()> {
            admit(ctx, "lost")?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    let second = ctx.transaction(|ctx| admit(ctx, "acknowledged?"));
    assert!(ContextPoisoned::of(&second.unwrap_err()).is_some());
    let raw = ctx.unrouted("test", |_| QueryResult::Ok(()));
    assert!(ContextPoisoned::of(&raw.unwrap_err()).is_some());
    drop(ctx);
    assert!(names(&mut tenant.enter().unwrap()).is_empty());
    assert_eq!(
        fleet.tenancy.stats().opened,
        2,
        "the connection was used again"
    );
}

#[test]
fn a_panic_caught_inside_a_transaction_fails_the_outer_one() {
    let fleet = fleet();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    let outer = ctx.transaction(|ctx| {
        admit(ctx, "before")?;
        let inner = catch_unwind(AssertUnwindSafe(|| {
            ctx.transaction(|_| -> QueryResult<()> { panic!("on purpose") })
        }));
        assert!(inner.is_err());
        QueryResult::Ok(())
    });
    assert!(ContextPoisoned::of(&outer.unwrap_err()).is_some());
    drop(ctx);
    assert!(names(&mut tenant.enter().unwrap()).is_empty());
}

#[test]
fn what_went_through_unrouted_is_not_used_again() {
    // With one connection per tenant the next borrower would get just this one.
    let fleet = one_connection();
    let tenant = fleet.create("th001");
    let other = fleet.create("th002");
    admit(&mut other.enter().unwrap(), "B-secret").unwrap();
    let path = fleet.file(&other, 1);

    tenant
        .enter()
        .unwrap()
        .unrouted("a leak, on purpose", |raw| {
            assert_eq!(raw.reason(), "a leak, on purpose");
            let attach = format!("ATTACH '{}' AS other", path.display());
            raw.connection().batch_execute(&attach)?;
            raw.connection().batch_execute(
                "CREATE TEMP VIEW patients AS SELECT * FROM other.patients;
                 PRAGMA foreign_keys = OFF;
                 BEGIN;
                 INSERT INTO main.patients (name, ward) VALUES ('uncommitted', 'A');",
            )
        })
        .unwrap();

    let mut next = tenant.enter().unwrap();
    assert!(names(&mut next).is_empty());
    next.transaction(|next| admit(next, "clean")).unwrap();
    drop(next);
    assert_eq!(names(&mut tenant.enter().unwrap()), ["clean"]);
}

#[test]
fn a_transaction_left_open_behind_diesels_back_is_not_pooled() {
    let fleet = one_connection();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    ctx.unrouted("test", |raw| raw.connection().batch_execute("BEGIN"))
        .unwrap();
    admit(&mut ctx, "never committed").unwrap();
    drop(ctx);
    assert!(names(&mut tenant.enter().unwrap()).is_empty());
}

#[test]
fn a_context_says_where_it_is_and_nothing_else() {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    let ctx = tenant.enter().unwrap();
    assert_eq!(
        format!("{ctx:?}"),
        "TenantContext { tenant: TH001, generation: 1, .. }"
    );
    let shared = fleet.tenancy.shared().unwrap();
    assert_eq!(format!("{shared:?}"), "SharedContext { .. }");
    assert_eq!(ctx.tenant_id().as_str(), "TH001");
    assert_eq!(ctx.tenant_uuid(), tenant.record().unwrap().uuid);
}

#[test]
fn two_tenants_and_the_shared_database_side_by_side() {
    let fleet = fleet();
    let (a, b) = (fleet.create("a1"), fleet.create("b1"));
    let (mut a, mut b) = (a.enter().unwrap(), b.enter().unwrap());
    let mut shared = fleet.tenancy.shared().unwrap();
    admit(&mut a, "a").unwrap();
    admit(&mut b, "b").unwrap();
    let user = diesel::insert_into(users::table).values(users::name.eq("u"));
    user.execute(&mut shared).unwrap();
    assert_eq!(
        (names(&mut a), names(&mut b)),
        (vec!["a".into()], vec!["b".into()])
    );
}

/// What the compiler provably cannot refuse (`docs/design.md` lists it) ends in `WrongScope`, and touches nothing.
#[test]
fn what_the_types_cannot_see_the_database_refuses() {
    let fleet = fleet();
    let mut tenant = fleet.create("th001").enter().unwrap();
    let mut shared = fleet.tenancy.shared().unwrap();

    let wrong = |error: Error, table: &str, table_scope: ScopeKind| {
        let wrong = WrongScope::of(&error).unwrap_or_else(|| panic!("not WrongScope: {error}"));
        assert_eq!(
            (wrong.table.as_str(), wrong.table_scope),
            (table, table_scope)
        );
        assert_ne!(wrong.context, table_scope);
        error.to_string()
    };
    use ScopeKind::{Shared, Tenant};

    // Raw fragments.
    let e = patients::table
        .filter(sql::<Bool>("id IN (SELECT id FROM users)"))
        .load::<(i32, String, String)>(&mut tenant)
        .unwrap_err();
    assert_eq!(
        wrong(e, "users", Shared),
        "`users` is in the shared scope (module `accounts`), this ran on the database of tenant `th001`; \
         run it on a `SharedContext` (`tenancy.shared()?`)"
    );
    let e = users::table
        .filter(sql::<Bool>("id IN (SELECT id FROM patients)"))
        .load::<(i32, String)>(&mut shared)
        .unwrap_err();
    assert_eq!(
        wrong(e, "patients", Tenant),
        "`patients` is in the tenant scope (module `wards`), this ran on the shared database; \
         run it on a `TenantContext` (`tenancy.tenant(&id)?`)"
    );

    // Boxed subqueries, in `eq_any`, in `exists` and in `SET`.
    let e = patients::table
        .filter(patients::name.eq_any(users::table.select(users::name).into_boxed()))
        .load::<(i32, String, String)>(&mut tenant)
        .unwrap_err();
    wrong(e, "users", Shared);
    let e = users::table
        .filter(users::name.eq_any(patients::table.select(patients::name).into_boxed()))
        .load::<(i32, String)>(&mut shared)
        .unwrap_err();
    wrong(e, "patients", Tenant);
    let e = patients::table
        .filter(exists(users::table.into_boxed()))
        .load::<(i32, String, String)>(&mut tenant)
        .unwrap_err();
    wrong(e, "users", Shared);
    let e = users::table
        .filter(exists(patients::table.into_boxed()))
        .load::<(i32, String)>(&mut shared)
        .unwrap_err();
    wrong(e, "patients", Tenant);
    let name = users::table.select(users::name).into_boxed().single_value();
    let e = diesel::update(patients::table)
        .set(patients::name.eq(name.assume_not_null()))
        .execute(&mut tenant)
        .unwrap_err();
    wrong(e, "users", Shared);

    // A scalar subquery in VALUES.
    let name = users::table.select(users::name).single_value();
    let e = diesel::insert_into(patients::table)
        .values((
            patients::name.eq(name.assume_not_null()),
            patients::ward.eq("A"),
        ))
        .execute(&mut tenant)
        .unwrap_err();
    wrong(e, "users", Shared);
    let name = patients::table.select(patients::name).single_value();
    let e = diesel::insert_into(users::table)
        .values(users::name.eq(name.assume_not_null()))
        .execute(&mut shared)
        .unwrap_err();
    wrong(e, "patients", Tenant);

    // INSERT … SELECT … ON CONFLICT.
    let e = users::table
        .select((users::id, users::name, users::name))
        .filter(sql::<Bool>("true"))
        .insert_into(archive::table)
        .into_columns((archive::id, archive::name, archive::ward))
        .on_conflict_do_nothing()
        .execute(&mut tenant)
        .unwrap_err();
    wrong(e, "users", Shared);
    let e = patients::table
        .select((patients::id, patients::name))
        .filter(sql::<Bool>("true"))
        .insert_into(hospitals::table)
        .into_columns((hospitals::id, hospitals::name))
        .on_conflict_do_nothing()
        .execute(&mut shared)
        .unwrap_err();
    wrong(e, "patients", Tenant);

    // Through the escape hatch too.
    let e = tenant
        .unrouted("test", |raw| {
            let all = diesel::sql_query("SELECT * FROM main.users");
            diesel_tenants::RunQueryDsl::execute(all, raw)
        })
        .unwrap_err();
    wrong(e, "users", Shared);
    let count = users::table.count().get_result::<i64>(&mut shared).unwrap();
    assert_eq!((count, names(&mut tenant).len()), (0, 0));
}

#[test]
fn a_missing_table_of_the_right_scope_is_drift() {
    let fleet = fleet();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    ctx.unrouted("test: lose a table", |raw| {
        raw.connection().batch_execute("DROP TABLE visits")
    })
    .unwrap();
    let e = visits::table
        .select(visits::reason)
        .load::<String>(&mut ctx);
    let e = e.unwrap_err();
    let missing = MissingTable::of(&e).expect("typed");
    assert_eq!(missing.table, "visits");
    assert!(WrongScope::of(&e).is_none());
    // A table nobody routes stays Diesel's own error.
    let e = patients::table
        .select(sql::<Text>("(SELECT name FROM nowhere)"))
        .load::<String>(&mut ctx);
    assert!(
        e.unwrap_err()
            .to_string()
            .starts_with("no such table: nowhere")
    );
}

#[test]
fn a_context_of_an_older_generation_says_so() {
    let fleet = fleet_with(|b| b.drain_timeout(std::time::Duration::from_millis(50)));
    let tenant = fleet.create("th001");
    let mut open = tenant.enter().unwrap();
    // The context of this process stands in the way of a compaction here, so let another instance do it.
    fleet.again().compact(&tenant.id()).unwrap();
    fleet.tenancy.tenants().unwrap();
    let stale = patients::table.count().get_result::<i64>(&mut open);
    let error = stale.unwrap_err();
    let stale = StaleGeneration::of(&error).expect("typed");
    assert_eq!((stale.opened_on, stale.now), (1, 2));
}

#[test]
fn contexts_move_between_threads() {
    let fleet = fleet();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    let mut ctx = std::thread::spawn(move || {
        admit(&mut ctx, "elsewhere").unwrap();
        ctx
    })
    .join()
    .unwrap();
    assert_eq!(names(&mut ctx), ["elsewhere"]);
}

#[test]
fn a_panic_caught_around_the_escape_hatch_cannot_lead_to_an_acknowledged_commit() {
    let fleet = one_connection();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        ctx.unrouted("Diesel's own transaction does not roll back", |raw| {
            use diesel::Connection;
            raw.connection()
                .transaction::<(), Error, _>(|_| panic!("on purpose"))
        })
    }));
    assert!(panicked.is_err());
    let after = ctx.transaction(|ctx| admit(ctx, "acknowledged?"));
    drop(ctx);
    let kept = names(&mut tenant.enter().unwrap());
    assert_eq!(after.is_ok(), kept == ["acknowledged?"], "{after:?}");
    assert!(ContextPoisoned::of(&after.unwrap_err()).is_some());
}

#[test]
fn a_read_transaction_inside_one_that_writes_cannot_write_either() {
    let fleet = fleet();
    let mut ctx = fleet.create("th001").enter().unwrap();
    ctx.transaction(|ctx| {
        admit(ctx, "before")?;
        ctx.read_transaction(|ctx| {
            assert_eq!(names(ctx), ["before"]);
            let refused = admit(ctx, "never").unwrap_err();
            assert!(ReadOnlyTransaction::of(&refused).is_some(), "{refused}");
            QueryResult::Ok(())
        })?;
        let failed = ctx.read_transaction(|_| Err::<(), _>(Error::RollbackTransaction));
        assert!(failed.is_err());
        admit(ctx, "after")
    })
    .unwrap();
    assert_eq!(names(&mut ctx), ["before", "after"]);
}

/// On a full disk, and in a few other cases, SQLite ends the whole transaction when a statement fails. What runs
/// after that would be committed one statement at a time, and kept although the transaction fails.
#[test]
fn nothing_is_kept_of_a_transaction_that_the_database_has_ended() {
    let fleet = fleet();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    for nested in [false, true] {
        let failed = ctx.transaction(|ctx| {
            admit(ctx, "before")?;
            let pages = |ctx: &mut TenantContext, pages: u32| {
                ctx.unrouted("test", |raw| {
                    let limit = format!("PRAGMA max_page_count = {pages}");
                    raw.connection().batch_execute(&limit)
                })
            };
            pages(ctx, 1)?;
            admit(ctx, &"x".repeat(100_000)).unwrap_err();
            pages(ctx, 1_000_000)?;
            match nested {
                false => admit(ctx, "after"),
                true => ctx.transaction(|ctx| admit(ctx, "after")),
            }
        });
        assert!(failed.is_err());
        assert!(
            names(&mut tenant.enter().unwrap()).is_empty(),
            "nested: {nested}"
        );
        ctx = tenant.enter().unwrap();
    }
}

/// A statement that ends the transaction in the escape hatch does not fail, and was looked for only before it ran: what
/// followed was committed by itself.
#[test]
fn nothing_is_kept_of_a_transaction_that_was_ended_in_the_escape_hatch() {
    let fleet = fleet();
    let tenant = fleet.create("th001");
    for end in ["ROLLBACK", "COMMIT"] {
        let failed = tenant.enter().unwrap().transaction(|ctx| {
            ctx.unrouted("test", |raw| diesel::sql_query(end).execute(raw))?;
            admit(ctx, "after")
        });
        let error = failed.unwrap_err();
        assert!(ContextPoisoned::of(&error).is_some(), "{end}: {error:?}");
        let kept = names(&mut tenant.enter().unwrap());
        assert!(kept.is_empty(), "{end}: {kept:?}");
    }
}

#[test]
fn a_statement_that_fails_alone_leaves_its_transaction_whole() {
    let fleet = fleet();
    let mut ctx = fleet.create("th001").enter().unwrap();
    let row = |name: &'static str| {
        let values = (
            patients::id.eq(1),
            patients::name.eq(name),
            patients::ward.eq("A"),
        );
        diesel::insert_into(patients::table).values(values)
    };
    ctx.transaction(|ctx| {
        row("first").execute(ctx)?;
        let twice = row("twice").execute(ctx).unwrap_err();
        assert!(matches!(twice, Error::DatabaseError(..)), "{twice:?}");
        admit(ctx, "second")
    })
    .unwrap();
    assert_eq!(names(&mut ctx), ["first", "second"]);
}

/// Views and triggers of a hostile file run nothing that is not harmless, damaged cells are noticed, a commit is on the
/// disk when it is acknowledged.
#[test]
fn every_connection_has_the_settings() {
    use diesel::sql_types::Integer;

    let fleet = fleet();
    let settings = "SELECT (SELECT journal_mode FROM pragma_journal_mode) || ' synchronous=' ||
        (SELECT synchronous FROM pragma_synchronous) || ' trusted_schema=' ||
        (SELECT trusted_schema FROM pragma_trusted_schema) || ' cell_size_check=' ||
        (SELECT cell_size_check FROM pragma_cell_size_check) || ' foreign_keys=' ||
        (SELECT foreign_keys FROM pragma_foreign_keys)";
    let settings = || diesel::select(sql::<Text>(&format!("({settings})")));
    #[derive(QueryableByName)]
    struct Timeout {
        #[diesel(sql_type = Integer)]
        timeout: i32,
    }
    let expected = "wal synchronous=2 trusted_schema=0 cell_size_check=1 foreign_keys=1";
    let mut tenant = fleet.create("th001").enter().unwrap();
    let found = tenant.unrouted("settings", |raw| settings().get_result::<String>(raw));
    assert_eq!(found.unwrap(), expected);
    let waits = tenant.unrouted("settings", |raw| {
        diesel::sql_query("PRAGMA busy_timeout").get_result::<Timeout>(raw)
    });
    assert_eq!(waits.unwrap().timeout, 5000);
    let mut shared = fleet.tenancy.shared().unwrap();
    let found = shared.unrouted("settings", |raw| settings().get_result::<String>(raw));
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn the_shared_database_serves_more_at_once_than_one_tenant_does() {
    let fleet = one_connection();
    let shared: Vec<_> = (0..16).map(|_| fleet.tenancy.shared().unwrap()).collect();
    assert_eq!(fleet.tenancy.stats().in_use, shared.len());
}
