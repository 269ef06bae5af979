//! One account is one person in a hospital.
use super::*;

#[test]
fn an_account_that_is_there_is_linked_to_a_record_that_is_there() {
    let (service, hospital) = hospital();
    let tenancy = &service.tenancy;
    let accounts = &service.accounts;
    let shared = &mut service.shared();
    let mut user = |name: &str| {
        let new = NewAccount::new(name, "Elsewhere", format!("{name}@example.org"));
        accounts.create(shared, &new, at(0)).unwrap().user
    };
    let (ada, ben) = (user("ada"), user("ben"));
    let admitted = |name| {
        let admitted = admit(tenancy, None, patient(name, "Patient"), AccountWanted::None);
        Person::Patient(admitted.unwrap().patient)
    };
    let (first, second) = (admitted("First"), admitted("Second"));
    let give = |person, user, role| {
        let wanted = AccountWanted::of(user);
        admissions().give_account(tenancy, &id(), None, person, wanted, role, at(60))
    };
    let shared = &mut service.shared();
    let given = give(first, ada, Role::Patient).unwrap().unwrap();
    assert_eq!((given.user, given.password.is_none()), (ada, true));
    assert_eq!(
        accounts.role_in(shared, ada, hospital).unwrap(),
        Some(Role::Patient)
    );
    give(first, ada, Role::Patient).unwrap();
    // The record is somebody's; the user has another record. Neither becomes a member by being refused.
    let error = give(first, ben, Role::Patient).unwrap_err();
    let another = matches!(
        error,
        AdmissionError::Account(AccountError::LinkedToAnother)
    );
    assert!(another, "{error:?}");
    assert_eq!(accounts.role_in(shared, ben, hospital).unwrap(), None);
    let error = give(second, ada, Role::Patient).unwrap_err();
    let another = matches!(
        error,
        AdmissionError::Account(AccountError::UserLinked { .. })
    );
    assert!(another, "{error:?}");
    let error = give(Person::Patient(Id::new()), ben, Role::Patient).unwrap_err();
    let unknown = matches!(
        error,
        AdmissionError::Account(AccountError::UnknownRecord { .. })
    );
    assert!(unknown, "{error:?}");

    // A membership that was ended is as it was, where the link fails.
    accounts
        .grant(shared, ben, hospital, Role::Nurse, at(1))
        .unwrap();
    accounts.revoke_membership(shared, ben, hospital).unwrap();
    give(first, ben, Role::Patient).unwrap_err();
    let ended = tenant_access::table
        .filter(tenant_access::user_id.eq(ben))
        .select((tenant_access::role, tenant_access::active));
    let ended: (Role, bool) = ended.first(shared).unwrap();
    assert_eq!(ended, (Role::Nurse, false));

    // A doctor who is treated here stays a doctor.
    let hired = admissions()
        .hire(
            tenancy,
            &id(),
            None,
            doctor(),
            AccountWanted::None,
            Role::Doctor,
            at(60),
        )
        .unwrap();
    let person = Person::Doctor(hired.doctor.unwrap());
    give(person, ben, Role::Doctor).unwrap();
    give(second, ben, Role::Patient).unwrap();
    assert_eq!(
        accounts.role_in(shared, ben, hospital).unwrap(),
        Some(Role::Doctor)
    );
    // And somebody who has a record gets an account of their own name.
    let nurse = StaffDetails::named(StaffKind::Nurse, "Nan", "Nurse", today());
    let hired = admissions()
        .hire(
            tenancy,
            &id(),
            None,
            nurse,
            AccountWanted::None,
            Role::Nurse,
            at(60),
        )
        .unwrap();
    let (person, wanted) = (
        Person::Staff(hired.staff),
        AccountWanted::new("nan@example.org"),
    );
    let given = admissions()
        .give_account(tenancy, &id(), None, person, wanted, Role::Nurse, at(60))
        .unwrap()
        .unwrap();
    assert_eq!(given.username, "nan.nurse.nurse");
    assert!(given.password.is_some());
}

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
