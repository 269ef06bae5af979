//! One account is one person in a hospital.
use super::*;

/// Said in words where the record is made, before the database says it in its own.
#[test]
fn an_account_that_is_somebody_here_is_nobody_else_here() {
    let (service, _) = hospital();
    let tenancy = &service.tenancy;
    let ada = admit_ada(tenancy).account.unwrap().user;
    let again = admit(
        tenancy,
        None,
        patient("Ada", "Again"),
        AccountWanted::of(ada),
    );
    let linked = |error: &AdmissionError, wanted: &str| match error {
        AdmissionError::Account(AccountError::UserLinked { what }) => *what == wanted,
        _ => false,
    };
    let error = again.unwrap_err();
    assert!(linked(&error, "patient"), "{error:?}");
    let (wanted, role) = (AccountWanted::new("gregor@example.org"), Role::Doctor);
    let hired = admissions().hire(tenancy, &id(), None, doctor(), wanted, role, at(60));
    hired.unwrap();
    let gregor: Id<User> = users::table
        .filter(users::email.eq("gregor@example.org"))
        .select(users::id)
        .first(&mut service.shared())
        .unwrap();
    let wanted = AccountWanted::of(gregor);
    let again = admissions().hire(tenancy, &id(), None, doctor(), wanted, role, at(60));
    let error = again.unwrap_err();
    assert!(linked(&error, "member of staff"), "{error:?}");
    // Nor where the record is there, and has no account.
    let mut other = doctor();
    other.doctor = None;
    let none = AccountWanted::None;
    let other = admissions().hire(tenancy, &id(), None, other, none, role, at(60));
    let person = Person::Staff(other.unwrap().staff);
    let wanted = AccountWanted::of(gregor);
    let again = admissions().give_account(tenancy, &id(), None, person, wanted, role, at(60));
    let error = again.unwrap_err();
    assert!(linked(&error, "member of staff"), "{error:?}");
    assert_eq!(agreed(tenancy, CODE), (1, 1));
}

/// Whoever was not a member becomes one by it, and nobody becomes one who could not be made one otherwise.
#[test]
fn an_account_that_is_there_needs_to_be_on_and_to_have_room() {
    let service = service();
    let tenancy = &service.tenancy;
    with_trial(tenancy, CODE, "basic");
    let shared = &mut service.shared();
    diesel::update(plans::table)
        .set(plans::max_users.eq(Some(0)))
        .execute(shared)
        .unwrap();
    let new = NewAccount::new("Otto", "Other", "otto@example.org");
    let otto = quick_accounts().create(shared, &new, at(0)).unwrap().user;
    let hire = |role| {
        let (staff, wanted) = (doctor(), AccountWanted::of(otto));
        let hired = admissions().hire(tenancy, &id(), None, staff, wanted, role, at(60));
        hired.unwrap_err()
    };
    let full = hire(Role::Doctor).limit();
    assert!(
        full.is_some_and(|full| full.what == Limited::Users),
        "{full:?}"
    );
    quick_accounts().deactivate(shared, otto, at(61)).unwrap();
    let off = hire(Role::Patient);
    assert!(
        matches!(off, AdmissionError::Account(AccountError::UnknownUser)),
        "{off:?}"
    );
    assert_eq!(agreed(tenancy, CODE), (0, 0));
}
