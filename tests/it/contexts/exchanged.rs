//! The closure of a transaction has a `&mut` of its context, so it can put another one there. Nothing is acknowledged of such
//! a transaction, and neither context, nor its connection, is used again.
use std::mem;

use diesel_tenants::error::{ContextPoisoned, PoisonCause};
use diesel_tenants::{FanOut, ReferenceList};

use super::*;

fn cause(error: &Error) -> Option<PoisonCause> {
    ContextPoisoned::of(error).map(|poisoned| poisoned.cause)
}

fn is_exchanged<T: std::fmt::Debug>(outcome: QueryResult<T>) {
    let error = outcome.unwrap_err();
    assert_eq!(cause(&error), Some(PoisonCause::Exchanged), "{error:?}");
}

/// What stands in both hospitals, as whoever comes next finds it. That one may write, too.
fn found(tenants: [&TenantHandle; 2]) -> [Vec<String>; 2] {
    tenants.map(|tenant| {
        let found = names(&mut tenant.enter().unwrap());
        may_write(&mut tenant.enter().unwrap());
        found
    })
}

fn may_write(ctx: &mut TenantContext) {
    let wrote = ctx.transaction(|ctx| {
        admit(ctx, "next")?;
        Err::<(), _>(Error::RollbackTransaction)
    });
    assert_eq!(wrote, Err(Error::RollbackTransaction));
}

const NOTHING: [Vec<String>; 2] = [Vec::new(), Vec::new()];

#[test]
fn contexts_that_are_swapped_in_a_transaction_acknowledge_nothing() {
    let fleet = one_connection();
    let other = fleet.again();
    let (north, south) = (fleet.create("north"), fleet.create("south"));
    let both = || (north.enter().unwrap(), south.enter().unwrap());

    // With one in a transaction of its own: `a` would have left its setting in the pool, and be taken for committed.
    let (mut a, mut b) = both();
    is_exchanged(a.read_transaction(|a| {
        b.transaction(|b| {
            admit(b, "lost")?;
            mem::swap(a, b);
            QueryResult::Ok(())
        })
    }));
    is_exchanged(admit(&mut a, "after"));
    is_exchanged(admit(&mut b, "after"));
    drop((a, b));
    assert_eq!(found([&north, &south]), NOTHING);

    // The inner one fails, and that is caught: the outer one has nothing to commit either.
    let (mut a, mut b) = both();
    is_exchanged(a.transaction(|a| {
        admit(a, "a")?;
        is_exchanged(b.transaction(|b| {
            admit(b, "b")?;
            mem::swap(a, b);
            QueryResult::Ok(())
        }));
        QueryResult::Ok(())
    }));
    // Neither keeps others waiting for its lock until it is dropped.
    for id in [north.id(), south.id()] {
        may_write(&mut other.tenant(&id).unwrap());
    }
    drop((a, b));
    assert_eq!(found([&north, &south]), NOTHING);

    // With one that is in no transaction: what `b` holds afterwards is in the middle of one nobody will end.
    for read in [false, true] {
        let (mut a, mut b) = both();
        is_exchanged(match read {
            false => a.transaction(|a| {
                admit(a, "a")?;
                mem::swap(a, &mut b);
                QueryResult::Ok(())
            }),
            true => a.read_transaction(|a| {
                mem::swap(a, &mut b);
                QueryResult::Ok(())
            }),
        });
        is_exchanged(admit(&mut a, "after"));
        is_exchanged(admit(&mut b, "after"));
        drop((a, b));
        assert_eq!(found([&north, &south]), NOTHING, "read: {read}");
    }

    // Whoever puts it back has done nothing.
    let (mut a, mut b) = both();
    a.transaction(|a| {
        mem::swap(a, &mut b);
        admit(a, "south")?;
        admit(&mut b, "north")?;
        mem::swap(a, &mut b);
        QueryResult::Ok(())
    })
    .unwrap();
    drop((a, b));
    assert_eq!(found([&north, &south]), [["north"], ["south"]]);
}

/// What runs on a context that was opened in the closure is in no transaction: that cannot be seen from here, and is kept.
/// What can be is that the transaction has not been committed, and it is said.
#[test]
fn a_context_assigned_in_a_transaction_is_found_at_its_end() {
    let fleet = fleet();
    let (north, south) = (fleet.create("north"), fleet.create("south"));
    let mut a = north.enter().unwrap();
    is_exchanged(a.transaction(|a| {
        admit(a, "before")?;
        *a = south.enter().unwrap();
        admit(a, "after")
    }));
    is_exchanged(admit(&mut a, "later"));
    // An error or a panic of the closure's own is passed on, and the context refused all the same.
    let mut b = north.enter().unwrap();
    let failed = b.transaction(|b| {
        *b = south.enter().unwrap();
        Err::<(), _>(Error::RollbackTransaction)
    });
    assert_eq!(failed, Err(Error::RollbackTransaction));
    is_exchanged(admit(&mut b, "later"));
    let mut c = north.enter().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        c.transaction(|c| -> QueryResult<()> {
            *c = south.enter().unwrap();
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    is_exchanged(admit(&mut c, "later"));
    drop((a, b, c));
    assert_eq!(found([&north, &south]), [vec![], vec!["after".to_owned()]]);

    let mut shared = fleet.tenancy.shared().unwrap();
    is_exchanged(shared.transaction(|shared| {
        let row = diesel::insert_into(users::table).values(users::name.eq("before"));
        row.execute(shared)?;
        *shared = fleet.tenancy.shared().unwrap();
        QueryResult::Ok(())
    }));
    drop(shared);
    let mut shared = fleet.tenancy.shared().unwrap();
    assert_eq!(users::table.count().get_result(&mut shared), Ok(0_i64));
}

/// The library writes down what it brought beside the rows, through the context it lent. Exchanged, that is another
/// hospital's, which would never get the list.
#[test]
fn what_the_library_writes_itself_goes_to_no_other_hospital() {
    let fleet = fleet();
    let (_, south) = (fleet.create("north"), fleet.create("south"));
    let list = ReferenceList::new("drugs", 1, "", |ctx: &mut TenantContext| {
        if ctx.tenant_id().as_str() == "north" {
            *ctx = south.enter().unwrap();
        }
        Ok(0)
    })
    .unwrap();
    let north: TenantId = "north".parse().unwrap();
    let pushed = fleet
        .tenancy
        .push_reference(&list, FanOut::new().only([north]), |_| {});
    assert!(pushed.is_ok_and(|report| report.failed().count() == 1));
    let ledger = south.enter().unwrap().unrouted("count", |raw| {
        let count = "(SELECT count(*) FROM sqlite_schema WHERE name LIKE '%reference%')";
        diesel::select(sql::<diesel::sql_types::BigInt>(count)).get_result::<i64>(raw)
    });
    assert_eq!(ledger, Ok(0));
}

fn is_replaced<T: std::fmt::Debug>(outcome: QueryResult<T>) {
    let error = outcome.unwrap_err();
    assert_eq!(cause(&error), Some(PoisonCause::Replaced), "{error:?}");
}

#[test]
fn a_connection_that_was_replaced_in_the_escape_hatch_is_found() {
    let fleet = one_connection();
    let (north, south) = (fleet.create("north"), fleet.create("south"));
    let (mut a, mut b) = (north.enter().unwrap(), south.enter().unwrap());
    is_replaced(a.unrouted("a", |a| {
        is_replaced(b.unrouted("b", |b| {
            mem::swap(a.connection(), b.connection());
            QueryResult::Ok(())
        }));
        QueryResult::Ok(())
    }));
    is_replaced(admit(&mut a, "into the other's file"));
    is_replaced(b.transaction(|b| admit(b, "into the other's file")));
    drop((a, b));

    // Within a transaction, of which nothing is kept.
    let mut a = north.enter().unwrap();
    let mut carried = None;
    is_replaced(a.transaction(|a| {
        admit(a, "before")?;
        let failed = a.unrouted("carry it out", |raw| {
            let other = SqliteConnection::establish(":memory:").unwrap();
            carried = Some(mem::replace(raw.connection(), other));
            QueryResult::Ok(())
        });
        is_replaced(failed);
        QueryResult::Ok(())
    }));
    drop(a);
    drop(carried);
    let mut shared = fleet.tenancy.shared().unwrap();
    is_replaced(shared.unrouted("replace", |raw| {
        *raw.connection() = SqliteConnection::establish(":memory:").unwrap();
        QueryResult::Ok(())
    }));
    drop(shared);
    assert_eq!(found([&north, &south]), NOTHING);

    // Who leaves it where it is may go on, be it in a transaction.
    let mut a = north.enter().unwrap();
    a.transaction(|a| {
        let raw = "INSERT INTO patients (name, ward) VALUES ('raw', 'A')";
        a.unrouted("raw", |a| a.connection().batch_execute(raw))?;
        admit(a, "typed")
    })
    .unwrap();
    assert_eq!(names(&mut a), ["raw", "typed"]);
}
