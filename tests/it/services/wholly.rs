//! All of it or nothing: what is done to accounts and subscriptions is one transaction each.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use diesel::Connection as _;
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::{
    hospital_modules, sessions, subscriptions as rows, tenant_access, users,
};
use diesel_tenants::models::shared::accounts::{Hospital, Role, User};
use diesel_tenants::models::shared::subscriptions::{BillingCycle, SubscriptionState};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, LoginError, NewAccount};
use diesel_tenants::services::permissions::Module;
use diesel_tenants::services::subscriptions::{self, SubscriptionError};

use super::{Service, at, day, service};

fn raw(shared: &mut SharedContext, sql: &str) {
    shared
        .unrouted("put something in the way", |raw| {
            raw.connection().batch_execute(sql)
        })
        .unwrap();
}

/// Refuses what is written where `when` holds.
fn veto(service: &Service, what: &str, table: &str, when: &str) {
    let sql = format!(
        "CREATE TRIGGER veto_{what} BEFORE {what} ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'veto'); END"
    );
    raw(&mut service.shared(), &sql);
}

/// All that is said of accounts: who there is, what they may, where they work, which sessions are open.
fn accounts_now(shared: &mut SharedContext) -> String {
    let all: Vec<(Id<User>, String, bool, bool)> = users::table
        .order(users::id)
        .select((
            users::id,
            users::password_hash,
            users::active,
            users::superuser,
        ))
        .load(shared)
        .unwrap();
    let members: Vec<(Id<User>, Role, bool)> = tenant_access::table
        .order(tenant_access::user_id)
        .select((
            tenant_access::user_id,
            tenant_access::role,
            tenant_access::active,
        ))
        .load(shared)
        .unwrap();
    let open = sessions::table.filter(sessions::revoked_at.is_null());
    let open: i64 = open.count().get_result(shared).unwrap();
    format!("{all:?} {members:?} {open}")
}

#[test]
fn what_cannot_be_entered_is_not_done_to_an_account() {
    let service = service();
    let (north, south) = (service.hospital_row("NORTH"), service.hospital_row("SOUTH"));
    let shared = &mut service.shared();
    let accounts = &service.accounts;
    let new = NewAccount::new("Ada", "Lovelace", "ada@example.org").member_of(north, Role::Nurse);
    let ada = accounts.create(shared, &new.superuser(), at(0)).unwrap();
    let new = NewAccount::new("Bea", "Off", "bea@example.org").superuser();
    let bea = accounts.create(shared, &new, at(0)).unwrap();
    let new = NewAccount::new("Ben", "Off", "ben@example.org");
    let ben = accounts.create(shared, &new, at(0)).unwrap();
    accounts.deactivate(shared, ben.user, at(1)).unwrap();
    let (user, first) = (ada.user, ada.password.reveal());
    let login = accounts
        .log_in(shared, &ada.username, first, None, at(2))
        .unwrap();
    accounts
        .begin_session(shared, &login, None, None, None, at(2))
        .unwrap();
    let before = accounts_now(shared);

    veto(
        &service,
        "INSERT",
        "__tenants_audit",
        "NEW.action LIKE 'account.%'",
    );
    let new = NewAccount::new("Eve", "New", "eve@example.org").member_of(south, Role::Nurse);
    let chosen = "tulip orbit cellar";
    type Verb<'a> = Box<dyn Fn(&mut SharedContext) -> Result<(), AccountError> + 'a>;
    let verbs: [(&str, Verb<'_>); 8] = [
        (
            "create",
            Box::new(|s| accounts.create(s, &new, at(3)).map(drop)),
        ),
        (
            "grant",
            Box::new(|s| accounts.grant(s, user, south, Role::Nurse, at(3))),
        ),
        (
            "revoke",
            Box::new(|s| accounts.revoke_membership(s, user, north).map(drop)),
        ),
        (
            "deactivate",
            Box::new(|s| accounts.deactivate(s, user, at(3))),
        ),
        (
            "reactivate",
            Box::new(|s| accounts.reactivate(s, ben.user, at(3))),
        ),
        (
            "superuser",
            Box::new(|s| accounts.set_superuser(s, user, false, at(3))),
        ),
        (
            "reset",
            Box::new(|s| accounts.reset_password(s, user, at(3)).map(drop)),
        ),
        (
            "change",
            Box::new(|s| {
                let changed = accounts.change_password(s, user, first, chosen, None, at(3));
                changed.map(drop)
            }),
        ),
    ];
    for (verb, done) in verbs {
        assert!(
            matches!(done(shared), Err(AccountError::Query(_))),
            "{verb}"
        );
        assert_eq!(accounts_now(shared), before, "{verb}");
    }
    drop(bea);
}

/// The states of a hospital's subscriptions, their prices, and the modules that are on.
fn subscribed(shared: &mut SharedContext, hospital: Id<Hospital>) -> String {
    let states: Vec<(SubscriptionState, diesel_tenants::money::Money)> = rows::table
        .filter(rows::hospital_id.eq(hospital))
        .select((rows::state, rows::price))
        .load(shared)
        .unwrap();
    let on = subscriptions::enabled_modules(shared, hospital).unwrap();
    format!("{states:?} {on:?}")
}

#[test]
fn a_subscription_is_changed_with_all_its_modules_or_not_at_all() {
    let service = service();
    let shared = &mut service.shared();
    subscriptions::ensure_plans(shared, at(0)).unwrap();
    let (north, south) = (service.hospital_row("NORTH"), service.hospital_row("SOUTH"));
    let monthly = BillingCycle::Monthly;
    subscriptions::start_trial(shared, north, "basic", monthly, at(0)).unwrap();
    let (with, without) = (subscribed(shared, north), subscribed(shared, south));
    for written in ["INSERT", "UPDATE"] {
        veto(
            &service,
            written,
            "hospital_modules",
            "NEW.module = 'telemedicine'",
        );
    }
    let refused = |error: SubscriptionError| {
        assert!(matches!(error, SubscriptionError::Query(_)), "{error:?}");
    };
    refused(subscriptions::order(shared, south, "premium", monthly, at(1)).unwrap_err());
    assert_eq!(subscribed(shared, south), without);
    refused(subscriptions::change_plan(shared, north, "premium", monthly, at(1)).unwrap_err());
    assert_eq!(subscribed(shared, north), with);
    subscriptions::set_modules(shared, north, Module::ALL, at(1)).unwrap_err();
    assert_eq!(subscribed(shared, north), with);
    let of_south = hospital_modules::table.filter(hospital_modules::hospital_id.eq(south));
    let of_south: i64 = of_south.count().get_result(shared).unwrap();
    assert_eq!(of_south, 0);
}

#[test]
fn all_that_is_overdue_moves_or_nothing_does() {
    let service = service();
    let shared = &mut service.shared();
    subscriptions::ensure_plans(shared, at(0)).unwrap();
    let (tried, paid) = (service.hospital_row("TRIED"), service.hospital_row("PAID"));
    for hospital in [tried, paid] {
        subscriptions::start_trial(shared, hospital, "basic", BillingCycle::Monthly, at(0))
            .unwrap();
    }
    subscriptions::activate(shared, paid, at(0)).unwrap();
    veto(
        &service,
        "UPDATE",
        "subscriptions",
        "NEW.state = 'past_due'",
    );
    let before = [tried, paid].map(|hospital| subscribed(shared, hospital));
    subscriptions::end_overdue(shared, day(60)).unwrap_err();
    assert_eq!(
        [tried, paid].map(|hospital| subscribed(shared, hospital)),
        before
    );
}

/// Whose turn comes, and what they may have looked at before.
#[derive(Clone, Copy, PartialEq)]
enum Looked {
    /// Nothing: all is one transaction.
    AtNothing,
    /// Something, which is looked at again.
    Before,
}

/// What somebody does who asks while another one's transaction is open, and comes after it. Who looked before it ended,
/// and acts on that afterwards, acts on what is no longer so.
fn after<T: Send>(
    service: &Service,
    looked: Looked,
    other: impl FnOnce(&mut SharedContext),
    late: impl FnOnce(&mut SharedContext) -> T + Send,
) -> T {
    std::thread::scope(|threads| {
        let shared = &mut service.shared();
        let (begins, begun) = mpsc::channel();
        let waiting = shared.transaction(|shared| {
            other(shared);
            let waiting = threads.spawn(move || {
                let shared = &mut service.shared();
                let armed = Arc::new(AtomicBool::new(false));
                let watched = Arc::clone(&armed);
                // It waits for its turn, or has looked at something already.
                let watch = move |event: InstrumentationEvent<'_>| match event {
                    _ if !watched.load(Ordering::Relaxed) => {}
                    InstrumentationEvent::BeginTransaction { .. } => begins.send(()).unwrap_or(()),
                    InstrumentationEvent::FinishQuery { .. } if looked == Looked::AtNothing => {
                        begins.send(()).unwrap_or(());
                    }
                    _ => {}
                };
                shared
                    .unrouted("see what it does", |raw| {
                        raw.connection().set_instrumentation(watch);
                        QueryResult::Ok(())
                    })
                    .unwrap();
                armed.store(true, Ordering::Relaxed);
                late(shared)
            });
            begun.recv().unwrap();
            QueryResult::Ok(waiting)
        });
        waiting.unwrap().join().unwrap()
    })
}

#[test]
fn who_comes_second_acts_on_what_is_so_then() {
    let service = service();
    let shared = &mut service.shared();
    let accounts = &service.accounts;
    let new = NewAccount::new("Ada", "Lovelace", "ada@example.org").superuser();
    let ada = accounts.create(shared, &new, at(0)).unwrap();
    let new = NewAccount::new("Bea", "Off", "bea@example.org").superuser();
    let bea = accounts.create(shared, &new, at(0)).unwrap();
    let last = after(
        &service,
        Looked::AtNothing,
        |shared| accounts.deactivate(shared, bea.user, at(1)).unwrap(),
        |shared| accounts.deactivate(shared, ada.user, at(1)),
    );
    assert!(matches!(last, Err(AccountError::LastSuperuser)), "{last:?}");
    accounts.reactivate(shared, bea.user, at(2)).unwrap();
    let last = after(
        &service,
        Looked::AtNothing,
        |shared| accounts.deactivate(shared, bea.user, at(3)).unwrap(),
        |shared| accounts.set_superuser(shared, ada.user, false, at(3)),
    );
    assert!(matches!(last, Err(AccountError::LastSuperuser)), "{last:?}");

    let first = ada.password.reveal();
    let login = accounts
        .log_in(shared, &ada.username, first, None, at(4))
        .unwrap();
    let begun = after(
        &service,
        Looked::AtNothing,
        |shared| drop(accounts.reset_password(shared, ada.user, at(5)).unwrap()),
        |shared| accounts.begin_session(shared, &login, None, None, None, at(5)),
    );
    assert!(
        matches!(begun, Err(AccountError::LoginOutdated)),
        "{begun:?}"
    );

    subscriptions::ensure_plans(shared, at(0)).unwrap();
    let north = service.hospital_row("NORTH");
    let trial = |shared: &mut SharedContext| {
        subscriptions::start_trial(shared, north, "basic", BillingCycle::Monthly, at(6)).unwrap()
    };
    let cancel = |shared: &mut SharedContext| {
        subscriptions::change_state(shared, north, SubscriptionState::Cancelled, at(7)).unwrap();
    };
    trial(shared);
    let gone = after(&service, Looked::AtNothing, cancel, |shared| {
        subscriptions::activate(shared, north, at(8))
    });
    assert!(matches!(gone, Err(SubscriptionError::None)), "{gone:?}");
    trial(shared);
    let gone = after(&service, Looked::AtNothing, cancel, |shared| {
        subscriptions::change_state(shared, north, SubscriptionState::Active, at(8))
    });
    assert!(matches!(gone, Err(SubscriptionError::None)), "{gone:?}");
}

/// A password takes its time to be checked; meanwhile the account may become another's, or nobody's.
#[test]
fn who_was_let_in_or_changed_something_meanwhile_is_looked_at_again() {
    let service = service();
    let shared = &mut service.shared();
    let accounts = &service.accounts;
    let new = NewAccount::new("Ada", "Lovelace", "ada@example.org");
    let ada = accounts.create(shared, &new, at(0)).unwrap();
    let (user, name, first) = (ada.user, ada.username.as_str(), ada.password.reveal());
    let chosen = "tulip orbit cellar";
    let off = |shared: &mut SharedContext| accounts.deactivate(shared, user, at(2)).unwrap();

    let login = after(&service, Looked::Before, off, |shared| {
        accounts.log_in(shared, name, first, None, at(3))
    });
    assert!(matches!(login, Err(LoginError::Refused)), "{login:?}");
    accounts.reactivate(shared, user, at(4)).unwrap();
    let changed = after(&service, Looked::Before, off, |shared| {
        accounts.change_password(shared, user, first, chosen, None, at(5))
    });
    assert!(
        matches!(changed, Err(AccountError::WrongPassword)),
        "{changed:?}"
    );
    accounts.reactivate(shared, user, at(6)).unwrap();
    let reset = |shared: &mut SharedContext| {
        drop(accounts.reset_password(shared, user, at(7)).unwrap());
    };
    let login = after(&service, Looked::Before, reset, |shared| {
        accounts.log_in(shared, name, first, None, at(8))
    });
    assert!(matches!(login, Err(LoginError::Refused)), "{login:?}");
}
