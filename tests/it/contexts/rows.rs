//! Rows that are read one by one, and those that are leaked.
use diesel_tenants::error::{ContextPoisoned, PoisonCause, ReadOnlyTransaction};

use super::*;

/// Reads one row and forgets the rest. What is left of the query stays open in the connection: run again, it goes on from
/// there, and its snapshot is that of a moment long ago.
fn leak(ctx: &mut TenantContext) -> QueryResult<()> {
    forget(
        patients::table
            .select(patients::name)
            .load_iter::<String, _>(ctx)?,
    )
}

fn leak_reading(ctx: &mut ReadContext<'_>) -> QueryResult<()> {
    forget(
        patients::table
            .select(patients::name)
            .load_iter::<String, _>(ctx)?,
    )
}

fn forget(mut rows: impl Iterator<Item = QueryResult<String>>) -> QueryResult<()> {
    assert_eq!(rows.next().unwrap()?, "first");
    std::mem::forget(rows);
    Ok(())
}

fn cause(error: &Error) -> Option<PoisonCause> {
    ContextPoisoned::of(error).map(|poisoned| poisoned.cause)
}

#[test]
fn leaked_rows_reach_nobody_who_comes_after() {
    let fleet = one_connection();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    for name in ["first", "second"] {
        admit(&mut ctx, name).unwrap();
    }
    drop(ctx);
    let mut expected = vec!["first".to_owned(), "second".to_owned()];
    type Leak = fn(&mut TenantContext) -> QueryResult<()>;
    let ways: [(&str, Leak); 4] = [
        ("alone", leak),
        ("in a transaction", |ctx| {
            ctx.transaction(|ctx| {
                admit(ctx, "lost")?;
                leak(ctx)
            })
        }),
        ("in a snapshot", |ctx| ctx.read_transaction(leak)),
        ("while reading", |ctx| ctx.read(leak_reading)),
    ];
    for (number, (way, leak)) in ways.into_iter().enumerate() {
        let mut ctx = tenant.enter().unwrap();
        let leaked = leak(&mut ctx);
        // Nothing is acknowledged of a transaction whose rows are still open.
        let transaction = number > 0;
        assert_eq!(leaked.is_err(), transaction, "{way}");
        if let Err(error) = leaked {
            assert_eq!(cause(&error), Some(PoisonCause::RowsLeaked), "{way}");
        }
        drop(ctx);

        let mut next = tenant.enter().unwrap();
        assert_eq!(names(&mut next), expected, "{way}");
        admit(&mut next, way).unwrap();
        expected.push(way.to_owned());
        assert_eq!(names(&mut next), expected, "{way}");
        let opened = fleet.tenancy.stats().opened;
        assert_eq!(
            opened,
            number as u64 + 2,
            "{way}: the connection was used again"
        );
    }
}

#[test]
fn a_context_whose_rows_were_leaked_runs_nothing_more() {
    let fleet = fleet();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    admit(&mut ctx, "first").unwrap();
    leak(&mut ctx).unwrap();
    let refused = patients::table.count().get_result::<i64>(&mut ctx);
    assert_eq!(cause(&refused.unwrap_err()), Some(PoisonCause::RowsLeaked));
    let refused = ctx.transaction(|ctx| admit(ctx, "never"));
    assert_eq!(cause(&refused.unwrap_err()), Some(PoisonCause::RowsLeaked));

    let mut ctx = tenant.enter().unwrap();
    let failed = ctx.transaction(|ctx| {
        admit(ctx, "before")?;
        leak(ctx)?;
        let refused = admit(ctx, "after").unwrap_err();
        assert_eq!(cause(&refused), Some(PoisonCause::RowsLeaked));
        QueryResult::Ok(())
    });
    assert_eq!(cause(&failed.unwrap_err()), Some(PoisonCause::RowsLeaked));
    drop(ctx);
    assert_eq!(names(&mut tenant.enter().unwrap()), ["first"]);
}

/// A query that is not kept for the next time (its text depends on its values) is owned by its rows, and SQLite closes no
/// connection with such a one open. Diesel panics over it; the pool has its place back all the same.
#[test]
fn leaked_rows_that_keep_the_connection_from_being_closed_cost_no_place_in_the_pool() {
    let fleet = one_connection();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    admit(&mut ctx, "first").unwrap();
    let query = patients::table.select(patients::name);
    let query = query.filter(patients::name.eq_any(["first", "second"]));
    forget(query.load_iter::<String, _>(&mut ctx).unwrap()).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(ctx))).is_err());
    let stats = fleet.tenancy.stats();
    assert_eq!((stats.in_use, stats.idle), (0, 0));
    let mut next = tenant.enter().unwrap();
    admit(&mut next, "second").unwrap();
    assert_eq!(names(&mut next), ["first", "second"]);
}

#[test]
fn rows_that_are_dropped_in_the_middle_are_over() {
    let fleet = one_connection();
    let tenant = fleet.create("th001");
    let mut ctx = tenant.enter().unwrap();
    for name in ["first", "second"] {
        admit(&mut ctx, name).unwrap();
    }
    let query = || patients::table.select(patients::name).order(patients::id);
    for _ in 0..2 {
        let mut rows = query().load_iter::<String, _>(&mut ctx).unwrap();
        assert_eq!(rows.next().unwrap().unwrap(), "first");
        drop(rows);
    }
    admit(&mut ctx, "third").unwrap();
    let rows = query().load_iter::<String, _>(&mut ctx).unwrap();
    let all: QueryResult<Vec<_>> = rows.collect();
    assert_eq!(all.unwrap(), ["first", "second", "third"]);
    drop(ctx);
    assert_eq!(names(&mut tenant.enter().unwrap()).len(), 3);
    assert_eq!(
        fleet.tenancy.stats().opened,
        1,
        "the connection is as good as any"
    );
}

/// The error comes with a row, after `load_iter` has returned. It means what it means everywhere.
#[test]
fn an_error_among_the_rows_is_told_as_any_other() {
    let fleet = fleet();
    let mut ctx = fleet.create("th001").enter().unwrap();
    admit(&mut ctx, "first").unwrap();
    let refused = ctx.read_transaction(|ctx| {
        let gone = diesel::delete(patients::table).returning(patients::name);
        let rows = gone.load_iter::<String, _>(ctx)?;
        rows.collect::<QueryResult<Vec<_>>>()
    });
    assert!(ReadOnlyTransaction::of(&refused.unwrap_err()).is_some());
    assert_eq!(names(&mut ctx), ["first"]);
}
