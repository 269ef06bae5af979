//! Each thing that is said of somebody: how long it may be, and what it may have in it.
use super::*;

type Set<T> = fn(&mut T, String);

/// The field's name in the error, whether it has lines, and how it is given.
macro_rules! fields {
    ($($says:literal $lines:ident: $($field:ident).+),* $(,)?) => {
        [$(($says, $lines, |it, text| it.$($field).+ = Some(text))),*]
    };
}

const LINE: bool = false;
const LINES: bool = true;

const OF_PATIENTS: [(&str, bool, Set<PatientDetails>); 20] = fields! {
    "the middle name" LINE: middle_name,
    "the blood group" LINE: blood_group,
    "the telephone" LINE: phone,
    "the other telephone" LINE: alternate_phone,
    "the e-mail address" LINE: email,
    "the town" LINE: city,
    "the region" LINE: region,
    "the postal code" LINE: postal_code,
    "the country" LINE: country,
    "the emergency contact" LINE: emergency_contact_name,
    "the relation" LINE: emergency_contact_relation,
    "the emergency telephone" LINE: emergency_contact_phone,
    "the insurance" LINE: insurance_provider,
    "the policy's number" LINE: insurance_policy_number,
    "the address" LINES: address,
    "the allergies" LINES: allergies,
    "the conditions" LINES: chronic_conditions,
    "the medications" LINES: current_medications,
    "the history" LINES: medical_history,
    "the family's history" LINES: family_history,
};

const OF_STAFF: [(&str, bool, Set<StaffDetails>); 5] = fields! {
    "the telephone" LINE: phone,
    "the e-mail address" LINE: email,
    "the position" LINE: position,
    "the address" LINES: address,
    "the qualifications" LINES: qualifications,
};

/// Names and such, which must be there: empty, too long, a line break.
const NEEDED: [(&str, Set<StaffDetails>); 4] = [
    ("the given name", |it, text| it.given_name = text),
    ("the family name", |it, text| it.family_name = text),
    ("the field of medicine", |it, text| {
        it.doctor.as_mut().unwrap().specialization = text;
    }),
    ("the licence's number", |it, text| {
        it.doctor.as_mut().unwrap().license_number = text;
    }),
];

/// What cannot be in a field of this kind.
fn bad(lines: bool) -> [String; 2] {
    match lines {
        false => ["x".repeat(201), "a\nb".to_owned()],
        true => ["x".repeat(10_001), "a\u{1b}b".to_owned()],
    }
}

fn hire(tenancy: &Tenancy, staff: StaffDetails) -> Result<StaffMemberId, AdmissionError> {
    let none = AccountWanted::None;
    let hired = admissions().hire(tenancy, &id(), None, staff, none, Role::Doctor, at(60));
    hired.map(|hired| hired.staff)
}

type StaffMemberId = Id<diesel_tenants::models::tenant::staff::StaffMember>;

fn refused<T: std::fmt::Debug>(outcome: Result<T, AdmissionError>, says: &str) {
    let error = outcome.expect_err(says);
    assert!(
        matches!(error, AdmissionError::Field(_)),
        "{says}: {error:?}"
    );
    assert!(error.to_string().contains(says), "{says}: {error}");
}

#[test]
fn every_field_has_its_bounds() {
    let (service, _) = hospital();
    let tenancy = &service.tenancy;
    for (says, lines, set) in OF_PATIENTS {
        for bad in bad(lines) {
            let mut details = patient("Ada", "Lovelace");
            set(&mut details, bad);
            refused(admit(tenancy, None, details, AccountWanted::None), says);
        }
    }
    let degrees: (&str, bool, Set<StaffDetails>) = ("the degrees", LINE, |it, text| {
        it.doctor.as_mut().unwrap().qualification = Some(text);
    });
    for (says, lines, set) in OF_STAFF.into_iter().chain([degrees]) {
        for bad in bad(lines) {
            let mut details = doctor();
            set(&mut details, bad);
            refused(hire(tenancy, details), says);
        }
    }
    for (says, set) in NEEDED {
        for bad in [" ".to_owned(), "x".repeat(101), "a\nb".to_owned()] {
            let mut details = doctor();
            set(&mut details, bad);
            refused(hire(tenancy, details), says);
        }
    }
    let mut details = doctor();
    details.salary = Some(Money(-1));
    refused(hire(tenancy, details), "the salary");
    let mut details = doctor();
    details.email = Some("nowhere".into());
    let error = hire(tenancy, details).unwrap_err();
    assert!(
        matches!(error, AdmissionError::Account(AccountError::BadEmail)),
        "{error:?}"
    );

    // As long as it may be, and with lines where there may be some, it is taken as it is.
    let mut details = doctor();
    details.qualifications = Some(format!("a\nb{}", "x".repeat(9_997)));
    details.position = Some("x".repeat(200));
    details.email = Some(" Gregor@Example.ORG ".into());
    details.salary = Some(Money(0));
    let staff = hire(tenancy, details.clone()).unwrap();
    let ctx = &mut tenancy.tenant(&id()).unwrap();
    let (texts, email): ((Option<String>, Option<String>), Option<String>) = staff_members::table
        .find(staff)
        .select((
            (staff_members::qualifications, staff_members::position),
            staff_members::email,
        ))
        .first(ctx)
        .unwrap();
    assert_eq!(texts, (details.qualifications, details.position));
    assert_eq!(email.as_deref(), Some("gregor@example.org"));
}
