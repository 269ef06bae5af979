//! Accounts and log-ins.
use diesel_tenants::models::schema::shared::{login_attempts, profiles, tenant_access, users};
use diesel_tenants::models::shared::accounts::{Role, User};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{
    AccountError, Accounts, LoginError, MadeAccount, NewAccount, WeakPassword,
};

use super::{Service, at, service};

const NEW_PASSWORD: &str = "tulip orbit cellar";

fn make(service: &Service, given: &str, family: &str) -> MadeAccount {
    let email = format!("{given}.{family}@example.org");
    let new = NewAccount::new(given, family, email);
    service
        .accounts
        .create(&mut service.shared(), &new, at(0))
        .unwrap()
}

fn log_in(service: &Service, name: &str, password: &str, seconds: i64) -> Result<bool, LoginError> {
    let shared = &mut service.shared();
    let login = service
        .accounts
        .log_in(shared, name, password, Some("192.0.2.1"), at(seconds))?;
    Ok(login.must_change_password)
}

fn refused(result: Result<bool, LoginError>) {
    assert!(matches!(result, Err(LoginError::Refused)), "{result:?}");
}

#[test]
fn an_account_is_user_profile_and_membership_or_nothing() {
    let service = service();
    let north = service.hospital_row("NORTH");
    let shared = &mut service.shared();
    let new =
        NewAccount::new(" Ada ", "Lovelace", "Ada@Example.org").member_of(north, Role::Doctor);
    let made = service.accounts.create(shared, &new, at(0)).unwrap();
    assert_eq!(made.username, "ada.lovelace.doctor");
    let user = users::table
        .find(made.user)
        .select(User::as_select())
        .first(shared)
        .unwrap();
    assert_eq!(
        (user.email.as_str(), user.must_change_password),
        ("ada@example.org", true)
    );
    assert!(user.password_hash.starts_with("$argon2id$"));
    let names = profiles::table.select((profiles::given_name, profiles::family_name));
    assert_eq!(
        names.first::<(String, String)>(shared).unwrap(),
        ("Ada".into(), "Lovelace".into())
    );
    let memberships = service.accounts.memberships(shared, made.user).unwrap();
    assert_eq!(memberships.len(), 1);
    assert_eq!(
        (
            memberships[0].code.as_str(),
            memberships[0].role,
            memberships[0].is_default
        ),
        ("NORTH", Role::Doctor, true)
    );

    // A second one that fails half-way leaves nothing: the hospital is not there.
    let nowhere = diesel_tenants::id::Id::new();
    let new = NewAccount::new("Ben", "Nobody", "ben@example.org").member_of(nowhere, Role::Nurse);
    let error = service.accounts.create(shared, &new, at(0)).unwrap_err();
    assert!(matches!(error, AccountError::UnknownHospital), "{error}");
    let error =
        service
            .accounts
            .create(shared, &NewAccount::new("A", "B", "ADA@example.ORG"), at(0));
    assert!(matches!(error, Err(AccountError::EmailTaken)));
    for counted in [
        users::table.count().get_result::<i64>(shared).unwrap(),
        profiles::table.count().get_result(shared).unwrap(),
        tenant_access::table.count().get_result(shared).unwrap(),
    ] {
        assert_eq!(counted, 1);
    }
}

#[test]
fn those_who_share_a_name_are_counted_even_when_made_at_once() {
    let service = service();
    let mut names: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let service = &service;
                scope.spawn(move || {
                    let shared = &mut service.shared();
                    let make = |n: i32| {
                        let email = format!("{thread}.{n}@example.org");
                        let new = NewAccount::new("Test", "Patient", email);
                        service
                            .accounts
                            .create(shared, &new, at(0))
                            .unwrap()
                            .username
                    };
                    (0..5).map(make).collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    names.sort();
    let mut expected: Vec<String> = (1..40).map(|n| format!("test.patient.staff.{n}")).collect();
    expected.push("test.patient.staff".to_owned());
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn the_first_password_is_changed_for_one_that_is_not_weak() {
    let service = service();
    let made = make(&service, "Ada", "Lovelace");
    let first = made.password.reveal();
    assert!(
        log_in(&service, &made.username, first, 1).unwrap(),
        "it must be changed"
    );

    let shared = &mut service.shared();
    let mut change = |present: &str, new: &str| {
        service
            .accounts
            .change_password(shared, made.user, present, new, None, at(2))
    };
    assert!(matches!(
        change("wrong password", NEW_PASSWORD),
        Err(AccountError::WrongPassword)
    ));
    for (weak, why) in [
        ("short", WeakPassword::TooShort { found: 5 }),
        ("Lovelace-42-tulips", WeakPassword::Personal),
        (first, WeakPassword::Same),
    ] {
        let error = change(first, weak).unwrap_err();
        assert!(
            matches!(error, AccountError::WeakPassword(found) if found == why),
            "{error}"
        );
    }
    change(first, NEW_PASSWORD).unwrap();
    assert!(!log_in(&service, &made.username, NEW_PASSWORD, 3).unwrap());
    refused(log_in(&service, &made.username, first, 4));
    let same = change(NEW_PASSWORD, NEW_PASSWORD).unwrap_err();
    assert!(
        matches!(same, AccountError::WeakPassword(WeakPassword::Same)),
        "{same}"
    );

    let reset = service
        .accounts
        .reset_password(shared, made.user, at(5))
        .unwrap();
    refused(log_in(&service, &made.username, NEW_PASSWORD, 6));
    assert!(log_in(&service, &made.username, reset.reveal(), 7).unwrap());
}

#[test]
fn a_name_is_locked_after_five_failures_whether_anybody_has_it_or_not() {
    let service = service();
    let made = make(&service, "Ada", "Lovelace");
    for name in [made.username.as_str(), "nobody.at.all"] {
        for second in 0..5 {
            refused(log_in(&service, name, "wrong", second));
        }
        // Not even the right password is listened to, and being turned away does not make it longer.
        for second in [5, 100, 303] {
            let error = log_in(&service, name, made.password.reveal(), second).unwrap_err();
            assert!(
                matches!(error, LoginError::Locked { until } if until == at(304)),
                "{error}"
            );
        }
    }
    assert!(log_in(&service, &made.username, made.password.reveal(), 304).is_ok());
    // A success ends the count.
    for second in 305..309 {
        refused(log_in(&service, &made.username, "wrong", second));
    }
    assert!(log_in(&service, &made.username, made.password.reveal(), 309).is_ok());
    refused(log_in(&service, &made.username, "wrong", 310));
    let attempts = login_attempts::table
        .count()
        .get_result::<i64>(&mut service.shared());
    assert_eq!(attempts.unwrap(), 5 + 5 + 1 + 4 + 1 + 1);
}

#[test]
fn the_lock_holds_against_attempts_made_at_once() {
    let service = service();
    let made = make(&service, "Ada", "Lovelace");
    let listened: usize = std::thread::scope(|scope| {
        let attempt = || {
            let outcome = log_in(&service, &made.username, "wrong", 1);
            usize::from(matches!(outcome, Err(LoginError::Refused)))
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(attempt)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(listened, 5);
}

fn fail_from(service: &Service, name: &str, address: &str, second: i64) -> Result<(), LoginError> {
    let shared = &mut service.shared();
    let attempt = service
        .accounts
        .log_in(shared, name, "wrong", Some(address), at(second));
    attempt.map(drop)
}

/// Five wrong passwords from anywhere kept the owner of the name out, again and again.
#[test]
fn a_lock_is_for_where_the_failures_came_from() {
    let mut service = service();
    let mut policy = *service.accounts.policy();
    policy.failures_anywhere = 12;
    service.accounts = Accounts::new(policy);
    let made = make(&service, "Ada", "Lovelace");
    let (name, right) = (made.username.as_str(), made.password.reveal());
    for second in 0..5 {
        let refused = fail_from(&service, name, "198.51.100.7", second);
        assert!(matches!(refused, Err(LoginError::Refused)));
    }
    let locked = fail_from(&service, name, "198.51.100.7", 5);
    assert!(matches!(locked, Err(LoginError::Locked { until }) if until == at(304)));
    assert!(
        log_in(&service, name, right, 6).is_ok(),
        "somebody else's lock"
    );

    // Guessing from many places is slow, too.
    for attempt in 0..12 {
        let refused = fail_from(&service, name, &format!("203.0.113.{attempt}"), 10);
        assert!(matches!(refused, Err(LoginError::Refused)), "{attempt}");
    }
    let locked = fail_from(&service, name, "203.0.113.99", 11);
    assert!(matches!(locked, Err(LoginError::Locked { .. })));
}

#[test]
fn a_new_password_ends_the_lock() {
    let service = service();
    let made = make(&service, "Ada", "Lovelace");
    for second in 0..5 {
        refused(log_in(&service, &made.username, "wrong", second));
    }
    let shared = &mut service.shared();
    let reset = service.accounts.reset_password(shared, made.user, at(5));
    assert!(log_in(&service, &made.username, reset.unwrap().reveal(), 6).unwrap());
}

/// A session that was stolen was a way to try passwords without end.
#[test]
fn guessing_the_present_password_is_a_failed_log_in() {
    let service = service();
    let made = make(&service, "Ada", "Lovelace");
    let shared = &mut service.shared();
    let mut change = |present: &str, second: i64| {
        let from = Some("198.51.100.7");
        service
            .accounts
            .change_password(shared, made.user, present, NEW_PASSWORD, from, at(second))
    };
    for second in 0..5 {
        let wrong = change("wrong password", second);
        assert!(matches!(wrong, Err(AccountError::WrongPassword)));
    }
    let locked = change(made.password.reveal(), 5).unwrap_err();
    assert!(matches!(locked, AccountError::Locked { until } if until == at(304)));
    change(made.password.reveal(), 304).unwrap();
}

/// Both were told that their password counts, and one of them was wrong.
#[test]
fn of_two_changes_at_once_one_counts() {
    let service = service();
    let made = make(&service, "Ada", "Lovelace");
    let first = made.password.reveal();
    let wanted = ["tulip orbit cellar", "marble comet ladder"];
    let changed = std::thread::scope(|scope| {
        let threads = wanted.map(|new| {
            let service = &service;
            scope.spawn(move || {
                let shared = &mut service.shared();
                let accounts = &service.accounts;
                accounts.change_password(shared, made.user, first, new, None, at(1))
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let won = changed.iter().position(Result::is_ok).unwrap();
    assert!(matches!(changed[1 - won], Err(AccountError::WrongPassword)));
    assert!(log_in(&service, &made.username, wanted[won], 2).is_ok());
}

#[test]
fn somebody_always_runs_the_service() {
    let service = service();
    let accounts = &service.accounts;
    let shared = &mut service.shared();
    let new = NewAccount::new("Ada", "Lovelace", "a@example.org").superuser();
    let ada = accounts.create(shared, &new, at(0)).unwrap().user;
    let last = |done: Result<(), AccountError>| {
        assert!(matches!(done, Err(AccountError::LastSuperuser)), "{done:?}");
    };
    last(accounts.deactivate(shared, ada, at(1)));
    last(accounts.set_superuser(shared, ada, false, at(1)));
    // One who is switched off runs nothing.
    let off = make(&service, "Bea", "Off").user;
    accounts.set_superuser(shared, off, true, at(1)).unwrap();
    accounts.deactivate(shared, off, at(1)).unwrap();
    last(accounts.deactivate(shared, ada, at(1)));
    let grace = make(&service, "Grace", "Hopper").user;
    accounts.set_superuser(shared, grace, true, at(2)).unwrap();
    accounts.set_superuser(shared, ada, false, at(3)).unwrap();
    accounts.deactivate(shared, ada, at(4)).unwrap();
    last(accounts.deactivate(shared, grace, at(5)));
}

/// Somebody who mistypes now and then is not kept out, in whatever case they type their name.
#[test]
fn failures_far_apart_lock_nobody() {
    let service = service();
    let made = make(&service, "Ada", "Lovelace");
    let typed = format!(" {} ", made.username.to_uppercase());
    for second in [0, 100, 200, 300, 400] {
        refused(log_in(&service, &typed, "wrong", second));
    }
    assert!(log_in(&service, &typed, made.password.reveal(), 401).is_ok());
    for second in [500, 510, 520, 530, 540] {
        refused(log_in(&service, &typed, "wrong", second));
    }
    let locked = log_in(&service, &made.username, made.password.reveal(), 541);
    assert!(
        matches!(locked, Err(LoginError::Locked { .. })),
        "{locked:?}"
    );
}

#[test]
fn attempts_are_forgotten() {
    let service = service();
    for second in [0, 1, 2] {
        refused(log_in(&service, "nobody", "wrong", second));
    }
    let shared = &mut service.shared();
    assert_eq!(service.accounts.forget_attempts(shared, at(2)).unwrap(), 2);
}

#[test]
fn an_account_that_is_switched_off_gets_the_answer_of_a_wrong_password() {
    let service = service();
    let north = service.hospital_row("NORTH");
    let made = make(&service, "Ada", "Lovelace");
    let shared = &mut service.shared();
    service
        .accounts
        .grant(shared, made.user, north, Role::Nurse, at(0))
        .unwrap();
    let token = service
        .accounts
        .log_in(shared, &made.username, made.password.reveal(), None, at(0))
        .and_then(|login| {
            let begun =
                service
                    .accounts
                    .begin_session(shared, &login, Some(north), None, None, at(0));
            Ok(begun?)
        })
        .unwrap();
    service
        .accounts
        .deactivate(shared, made.user, at(1))
        .unwrap();
    refused(log_in(&service, &made.username, made.password.reveal(), 2));
    refused(log_in(&service, "nobody", made.password.reveal(), 2));
    assert_eq!(
        service.accounts.role_in(shared, made.user, north).unwrap(),
        None
    );
    assert!(
        service
            .accounts
            .memberships(shared, made.user)
            .unwrap()
            .is_empty()
    );
    assert!(
        service
            .accounts
            .signed_in(shared, &token, Some(north), at(2))
            .unwrap()
            .is_none()
    );

    service
        .accounts
        .reactivate(shared, made.user, at(3))
        .unwrap();
    assert!(log_in(&service, &made.username, made.password.reveal(), 4).is_ok());
    assert_eq!(
        service.accounts.role_in(shared, made.user, north).unwrap(),
        Some(Role::Nurse)
    );
    // Its sessions stay ended.
    assert!(
        service
            .accounts
            .signed_in(shared, &token, Some(north), at(4))
            .unwrap()
            .is_none()
    );
}

#[test]
fn membership_is_the_only_source_of_a_role() {
    let service = service();
    let (north, south) = (service.hospital_row("NORTH"), service.hospital_row("SOUTH"));
    let shared = &mut service.shared();
    let new = NewAccount::new("Ada", "Lovelace", "a@example.org").superuser();
    let ada = service.accounts.create(shared, &new, at(0)).unwrap();
    assert_eq!(ada.username, "ada.lovelace.superadmin");
    let accounts = &service.accounts;
    // Running the service gives no role in a hospital.
    assert_eq!(accounts.role_in(shared, ada.user, north).unwrap(), None);

    accounts
        .grant(shared, ada.user, north, Role::Doctor, at(0))
        .unwrap();
    accounts
        .grant(shared, ada.user, south, Role::Nurse, at(0))
        .unwrap();
    accounts
        .grant(shared, ada.user, south, Role::HrManager, at(1))
        .unwrap();
    assert_eq!(
        accounts.role_in(shared, ada.user, north).unwrap(),
        Some(Role::Doctor)
    );
    assert_eq!(
        accounts.role_in(shared, ada.user, south).unwrap(),
        Some(Role::HrManager)
    );
    let starts: Vec<bool> = accounts
        .memberships(shared, ada.user)
        .unwrap()
        .iter()
        .map(|m| m.is_default)
        .collect();
    assert_eq!(starts, [true, false]);

    assert!(accounts.revoke_membership(shared, ada.user, north).unwrap());
    assert!(!accounts.revoke_membership(shared, ada.user, north).unwrap());
    assert_eq!(accounts.role_in(shared, ada.user, north).unwrap(), None);
    // Granted again it is the same row, and where she starts, since nothing else is.
    accounts
        .grant(shared, ada.user, north, Role::Nurse, at(2))
        .unwrap();
    let memberships = accounts.memberships(shared, ada.user).unwrap();
    assert_eq!(memberships.len(), 2);
    assert_eq!(
        (memberships[0].code.as_str(), memberships[0].is_default),
        ("NORTH", true)
    );
}

#[test]
fn a_membership_that_ended_is_not_listed_and_is_nobodys_start() {
    let service = service();
    let (north, south) = (service.hospital_row("NORTH"), service.hospital_row("SOUTH"));
    let accounts = &service.accounts;
    let shared = &mut service.shared();
    let ada = make(&service, "Ada", "Lovelace").user;
    accounts
        .grant(shared, ada, north, Role::Nurse, at(0))
        .unwrap();
    accounts.revoke_membership(shared, ada, north).unwrap();
    assert_eq!(accounts.memberships(shared, ada).unwrap(), []);
    accounts
        .grant(shared, ada, south, Role::Nurse, at(1))
        .unwrap();
    let starts = accounts.memberships(shared, ada).unwrap();
    assert!(starts.len() == 1 && starts[0].is_default, "{starts:?}");
}

#[test]
fn nothing_is_done_to_an_account_that_is_not_there() {
    let service = service();
    let north = service.hospital_row("NORTH");
    let accounts = &service.accounts;
    let shared = &mut service.shared();
    let nobody = diesel_tenants::id::Id::new();
    for done in [
        accounts.deactivate(shared, nobody, at(0)),
        accounts.reactivate(shared, nobody, at(0)),
        accounts.set_superuser(shared, nobody, true, at(0)),
        accounts.set_superuser(shared, nobody, false, at(0)),
        accounts.grant(shared, nobody, north, Role::Nurse, at(0)),
        accounts.reset_password(shared, nobody, at(0)).map(drop),
    ] {
        assert!(matches!(done, Err(AccountError::UnknownUser)), "{done:?}");
    }
}

#[test]
fn names_and_addresses_that_cannot_be_are_refused_by_what_is_wrong_with_them() {
    let service = service();
    let shared = &mut service.shared();
    let mut create = |given: &str, family: &str, email: &str| {
        let new = NewAccount::new(given, family, email);
        service.accounts.create(shared, &new, at(0)).unwrap_err()
    };
    for (given, family) in [
        ("", "B"),
        ("A", "  "),
        ("A\u{1b}[31m", "B"),
        (&"a".repeat(101), "B"),
    ] {
        let error = create(given, family, "a@example.org");
        assert!(matches!(error, AccountError::BadName { .. }), "{error}");
    }
    assert!(matches!(create("A", "B", "nobody"), AccountError::BadEmail));
    assert_eq!(users::table.count().get_result::<i64>(shared).unwrap(), 0);
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let service = service();
    let made = make(&service, "Ada", "Lovelace");
    let new = NewAccount::new("Ada", "Lovelace", "ada@example.org");
    let shared = &mut service.shared();
    let accounts = &service.accounts;
    let (name, password) = (&made.username, made.password.reveal());
    let login = accounts
        .log_in(shared, name, password, None, at(0))
        .unwrap();
    let token = accounts.begin_session(shared, &login, None, None, None, at(0));
    let token = token.unwrap();
    let signed_in = accounts.signed_in(shared, &token, None, at(1)).unwrap();
    let printed = format!("{made:?} {new:?} {login:?} {token:?} {signed_in:?}");
    for secret in [
        made.password.reveal(),
        token.reveal(),
        "Ada",
        "example.org",
        "$argon2",
    ] {
        assert!(!printed.contains(secret), "{secret}");
    }
}

#[test]
fn a_log_in_in_parts_looks_again_at_what_has_changed_while_the_hash_was_made() {
    let service = service();
    let made = make(&service, "Ada", "Lovelace");
    let first = made.password.reveal();
    let from = Some("192.0.2.1");
    let claim = |from, seconds| {
        let shared = &mut service.shared();
        service
            .accounts
            .claim(shared, &made.username, from, at(seconds))
    };
    let let_in = |compared, seconds| {
        let login = service
            .accounts
            .let_in(&mut service.shared(), &compared, at(seconds));
        login.map(|login| login.must_change_password)
    };
    // No context is open while it is compared.
    assert!(let_in(claim(from, 1).unwrap().compare(first).unwrap(), 1).unwrap());
    refused(let_in(claim(from, 2).unwrap().compare("wrong").unwrap(), 2));
    // Used up by others meanwhile.
    let late = claim(from, 3).unwrap().compare(first).unwrap();
    for second in 3..7 {
        refused(log_in(&service, &made.username, "wrong", second));
    }
    let locked = let_in(late, 8);
    assert!(
        matches!(locked, Err(LoginError::Locked { .. })),
        "{locked:?}"
    );
    let locked = claim(from, 8).unwrap_err();
    assert!(matches!(locked, LoginError::Locked { .. }), "{locked}");
    // Changed meanwhile.
    let elsewhere = Some("192.0.2.2");
    let outdated = claim(elsewhere, 9).unwrap().compare(first).unwrap();
    let shared = &mut service.shared();
    let changed =
        service
            .accounts
            .change_password(shared, made.user, first, NEW_PASSWORD, elsewhere, at(10));
    changed.unwrap();
    refused(let_in(outdated, 11));
    // Whoever it was, nothing of it is printed.
    let claim = claim(elsewhere, 12).unwrap();
    assert_eq!(format!("{claim:?}"), "Claim(…)");
    let compared = claim.compare(NEW_PASSWORD).unwrap();
    assert_eq!(format!("{compared:?}"), "Compared(…)");
    assert!(!let_in(compared, 12).unwrap());
}
