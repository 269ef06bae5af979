//! Sessions.
use diesel_tenants::models::schema::shared::sessions;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{NewAccount, SessionToken};

use super::{at, service};

#[test]
fn a_session_is_good_until_it_ends_by_age_idleness_or_hand() {
    let service = service();
    let shared = &mut service.shared();
    let ada = NewAccount::new("Ada", "Lovelace", "ada@example.org");
    let ada = service.accounts.create(shared, &ada, at(0)).unwrap().user;
    let accounts = &service.accounts;
    let begin = |shared: &mut SharedContext| {
        accounts
            .begin_session(
                shared,
                ada,
                None,
                Some("192.0.2.1"),
                Some("Browser/1"),
                at(0),
            )
            .unwrap()
    };
    let good = |shared: &mut SharedContext, token: &SessionToken, seconds: i64| {
        accounts
            .signed_in(shared, token, at(seconds))
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
    assert_eq!(accounts.end_all_sessions(shared, ada, at(3)).unwrap(), 4);
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
    let ada = NewAccount::new("Ada", "Lovelace", "ada@example.org");
    let ada = service.accounts.create(shared, &ada, at(0)).unwrap().user;
    let token = service
        .accounts
        .begin_session(shared, ada, None, None, None, at(0))
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
            .signed_in(shared, &stolen, at(1))
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_changed_password_ends_every_session() {
    let service = service();
    let shared = &mut service.shared();
    let ada = NewAccount::new("Ada", "Lovelace", "ada@example.org");
    let ada = service.accounts.create(shared, &ada, at(0)).unwrap();
    let token = service
        .accounts
        .begin_session(shared, ada.user, None, None, None, at(0))
        .unwrap();
    service
        .accounts
        .change_password(
            shared,
            ada.user,
            ada.password.reveal(),
            "tulip orbit cellar",
            at(1),
        )
        .unwrap();
    assert!(
        service
            .accounts
            .signed_in(shared, &token, at(2))
            .unwrap()
            .is_none()
    );
}
