//! Sessions.
use diesel::connection::{Connection, InstrumentationEvent, SimpleConnection};
use diesel_tenants::models::schema::shared::{login_attempts, sessions};
use diesel_tenants::models::shared::accounts::Role;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{
    AccountError, Login, LoginError, NewAccount, SessionToken,
};

use super::{Service, at, service};

const NEW_PASSWORD: &str = "tulip orbit cellar";

/// Ada, who has just been let in.
fn ada(service: &Service) -> Login {
    let shared = &mut service.shared();
    let ada = NewAccount::new("Ada", "Lovelace", "ada@example.org");
    let made = service.accounts.create(shared, &ada, at(0)).unwrap();
    let_in(service, made.password.reveal())
}

fn let_in(service: &Service, password: &str) -> Login {
    let shared = &mut service.shared();
    let name = "ada.lovelace.staff";
    let login = service.accounts.log_in(shared, name, password, None, at(0));
    login.unwrap()
}

#[test]
fn a_session_is_good_until_it_ends_by_age_idleness_or_hand() {
    let service = service();
    let shared = &mut service.shared();
    let ada = ada(&service);
    let accounts = &service.accounts;
    let begin = |shared: &mut SharedContext| {
        accounts
            .begin_session(
                shared,
                &ada,
                None,
                Some("192.0.2.1"),
                Some("Browser/1"),
                at(0),
            )
            .unwrap()
    };
    let good = |shared: &mut SharedContext, token: &SessionToken, seconds: i64| {
        accounts
            .signed_in(shared, token, None, at(seconds))
            .unwrap()
            .is_some()
    };
    let (minute, hour) = (60, 3600);

    let by_hand = begin(shared);
    assert!(good(shared, &by_hand, 1));
    assert!(accounts.end_session(shared, &by_hand, at(2)).unwrap());
    assert!(!accounts.end_session(shared, &by_hand, at(2)).unwrap());
    assert!(!good(shared, &by_hand, 3));

    let idle = begin(shared);
    assert!(good(shared, &idle, 29 * minute));
    // The request was noted: half an hour from there.
    assert!(good(shared, &idle, 58 * minute));
    assert!(!good(shared, &idle, 88 * minute));

    let old = begin(shared);
    for request in 1..=95 {
        assert!(good(shared, &old, request * 15 * minute), "{request}");
    }
    assert!(!good(shared, &old, 24 * hour));

    let (one, two) = (begin(shared), begin(shared));
    assert_eq!(
        accounts.end_all_sessions(shared, ada.user, at(3)).unwrap(),
        4
    );
    assert!(!good(shared, &one, 4) && !good(shared, &two, 4));

    assert!(!good(
        shared,
        &SessionToken::from_cookie("'; DROP TABLE sessions; --"),
        1
    ));
    assert!(!good(shared, &SessionToken::from_cookie(""), 1));
    assert_eq!(accounts.forget_old_sessions(shared, at(5)).unwrap(), 5);
    assert_eq!(
        sessions::table.count().get_result::<i64>(shared).unwrap(),
        0
    );
}

#[test]
fn the_database_cannot_be_logged_in_with() {
    let service = service();
    let shared = &mut service.shared();
    let token = service
        .accounts
        .begin_session(shared, &ada(&service), None, None, None, at(0))
        .unwrap();
    let kept: String = sessions::table
        .select(sessions::token_sha256)
        .first(shared)
        .unwrap();
    assert_ne!(kept, token.reveal());
    let stolen = SessionToken::from_cookie(kept);
    assert!(
        service
            .accounts
            .signed_in(shared, &stolen, None, at(1))
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_changed_password_ends_every_session() {
    let service = service();
    let accounts = &service.accounts;
    let shared = &mut service.shared();
    let new = NewAccount::new("Ada", "Lovelace", "ada@example.org");
    let made = accounts.create(shared, &new, at(0)).unwrap();
    let first = made.password.reveal();
    let before = let_in(&service, first);
    let token = accounts.begin_session(shared, &before, None, None, None, at(0));
    let after = accounts.change_password(shared, made.user, first, NEW_PASSWORD, None, at(1));
    let ended = accounts.signed_in(shared, &token.unwrap(), None, at(2));
    assert!(ended.unwrap().is_none());
    // Who changed it goes on.
    let token = accounts.begin_session(shared, &after.unwrap(), None, None, None, at(1));
    let good = accounts.signed_in(shared, &token.unwrap(), None, at(2));
    assert!(good.unwrap().is_some());
}

/// Somebody who kept on logging in with the old password got a session that outlived the change: the log-in was before
/// it, the session after.
#[test]
fn no_session_begins_with_a_log_in_from_before_a_change() {
    let service = service();
    let accounts = &service.accounts;
    let shared = &mut service.shared();
    let outdated = |shared: &mut SharedContext, login: &Login| {
        let begun = accounts.begin_session(shared, login, None, None, None, at(9));
        assert!(
            matches!(begun, Err(AccountError::LoginOutdated)),
            "{begun:?}"
        );
    };

    let before = ada(&service);
    let reset = accounts.reset_password(shared, before.user, at(1)).unwrap();
    outdated(shared, &before);

    let before = let_in(&service, reset.reveal());
    let (user, first) = (before.user, reset.reveal());
    let changed = accounts.change_password(shared, user, first, NEW_PASSWORD, None, at(2));
    outdated(shared, &before);

    // Nor with one that waited until the account was switched off; switched on again, it is the same password.
    accounts.deactivate(shared, user, at(3)).unwrap();
    let changed = changed.unwrap();
    outdated(shared, &changed);
    accounts.reactivate(shared, user, at(4)).unwrap();
    accounts
        .begin_session(shared, &changed, None, None, None, at(9))
        .unwrap();
}

#[test]
fn a_session_is_good_where_it_was_begun_and_nowhere_else() {
    let service = service();
    let accounts = &service.accounts;
    let (north, south) = (service.hospital_row("NORTH"), service.hospital_row("SOUTH"));
    let places = [None, Some(north), Some(south)];
    let shared = &mut service.shared();
    let ada = ada(&service);
    for begun in places {
        let token = accounts
            .begin_session(shared, &ada, begun, None, None, at(0))
            .unwrap();
        for here in places {
            let good = accounts.signed_in(shared, &token, here, at(1)).unwrap();
            assert_eq!(good.is_some(), here == begun, "{begun:?} at {here:?}");
        }
    }
}

/// Who comes back, or is given more, logs in anew.
#[test]
fn no_session_becomes_good_for_more_than_it_was_begun_for() {
    let service = service();
    let north = service.hospital("NORTH");
    let shared = &mut service.shared();
    let ada = ada(&service);
    let accounts = &service.accounts;
    accounts
        .grant(shared, ada.user, north, Role::Nurse, at(0))
        .unwrap();
    let mut begin = |hospital| {
        let begun = accounts.begin_session(shared, &ada, hospital, None, None, at(1));
        begun.unwrap()
    };
    let (here, of_service) = (begin(Some(north)), begin(None));
    let shared = &mut service.shared();
    let mut good = |token, hospital| {
        let found = accounts.signed_in(shared, token, hospital, at(2));
        found.unwrap().is_some()
    };
    assert!(good(&here, Some(north)) && good(&of_service, None));
    assert!(!good(&here, None) && !good(&of_service, Some(north)));

    let shared = &mut service.shared();
    accounts
        .set_superuser(shared, ada.user, true, at(2))
        .unwrap();
    assert!(
        !good(&of_service, None),
        "it was begun by somebody who runs nothing"
    );
    assert!(good(&here, Some(north)));
    accounts.revoke_membership(shared, ada.user, north).unwrap();
    accounts
        .grant(shared, ada.user, north, Role::Doctor, at(2))
        .unwrap();
    assert!(!good(&here, Some(north)), "it ended with the membership");
}

/// A query that failed counted as a failure of whoever knew the password, and five of them locked the account.
#[test]
fn a_log_in_that_cannot_be_looked_up_is_no_wrong_password() {
    let service = service();
    let mut shared = service.shared();
    let ada = NewAccount::new("Ada", "Lovelace", "ada@example.org");
    let made = service.accounts.create(&mut shared, &ada, at(0)).unwrap();
    // After the password was compared, and before it is looked whether it still is that one.
    let mut other = service.shared();
    let mut rename = Some("ALTER TABLE users RENAME COLUMN superuser TO was_superuser");
    let between = move |event: InstrumentationEvent<'_>| {
        let InstrumentationEvent::StartQuery { query, .. } = event else {
            return;
        };
        if query.to_string().starts_with("BEGIN IMMEDIATE")
            && let Some(rename) = rename.take()
        {
            let done = other.unrouted("stand in the way", |raw| {
                raw.connection().batch_execute(rename)
            });
            done.unwrap();
        }
    };
    let watch = shared.unrouted("watch", |raw| {
        raw.connection().set_instrumentation(between);
        Ok::<_, diesel::result::Error>(())
    });
    watch.unwrap();
    let (name, password) = (&made.username, made.password.reveal());
    let failed = service
        .accounts
        .log_in(&mut shared, name, password, None, at(1));
    assert!(
        matches!(failed, Err(LoginError::Account(AccountError::Query(_)))),
        "{failed:?}"
    );
    let attempts = login_attempts::table
        .count()
        .get_result::<i64>(&mut service.shared());
    assert_eq!(attempts.unwrap(), 0);
}

#[test]
fn who_runs_the_service_no_longer_begins_anew() {
    let service = service();
    let accounts = &service.accounts;
    let shared = &mut service.shared();
    let another = NewAccount::new("Sam", "Operator", "sam@example.org").superuser();
    accounts.create(shared, &another, at(0)).unwrap();
    let ada = ada(&service);
    accounts
        .set_superuser(shared, ada.user, true, at(1))
        .unwrap();
    let token = accounts
        .begin_session(shared, &ada, None, None, None, at(2))
        .unwrap();
    accounts
        .set_superuser(shared, ada.user, false, at(3))
        .unwrap();
    let good = accounts.signed_in(shared, &token, None, at(4)).unwrap();
    assert!(good.is_none());
}
