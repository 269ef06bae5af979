//! Accounts and the records of persons in a hospital's database.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use diesel::connection::{Connection, InstrumentationEvent};
use diesel_tenants::id::{Id, SharedRef};
use diesel_tenants::models::schema::tenant::{patients, staff_members};
use diesel_tenants::models::shared::accounts::{Role, User};
use diesel_tenants::models::tenant::patients::{NewPatient, Sex};
use diesel_tenants::models::tenant::staff::{NewStaffMember, StaffKind};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, NewAccount};

use super::{Service, at, service, today};

#[test]
fn a_record_is_linked_to_a_member_of_the_hospital_only() {
    let service = service();
    let (north, south) = (service.hospital("NORTH"), service.hospital("SOUTH"));
    let shared = &mut service.shared();
    let accounts = &service.accounts;
    let mut make = |name: &str| {
        let new = NewAccount::new(name, "Nurse", format!("{name}@example.org"))
            .member_of(north, Role::Nurse);
        accounts.create(shared, &new, at(0)).unwrap().user
    };
    let (ada, ben) = (make("ada"), make("ben"));
    let mut in_north = service.tenancy.tenant(&"NORTH".parse().unwrap()).unwrap();
    let mut in_south = service.tenancy.tenant(&"SOUTH".parse().unwrap()).unwrap();
    let row = NewStaffMember::named("EMP-1", StaffKind::Nurse, "Ada", "Nurse", today(), at(0));
    let staff = row.id;
    for tenant in [&mut in_north, &mut in_south] {
        diesel::insert_into(staff_members::table)
            .values(&row)
            .execute(tenant)
            .unwrap();
    }
    let link = |shared: &mut SharedContext, tenant: &mut TenantContext, staff, user: Id<User>| {
        accounts.link_staff(shared, tenant, staff, user, at(1))
    };
    let error = link(shared, &mut in_south, staff, ada).unwrap_err();
    assert!(matches!(error, AccountError::NotAMember { .. }), "{error}");
    accounts
        .grant(shared, ada, south, Role::Nurse, at(1))
        .unwrap();
    link(shared, &mut in_south, staff, ada).unwrap();

    link(shared, &mut in_north, staff, ada).unwrap();
    link(shared, &mut in_north, staff, ada).unwrap();
    let error = link(shared, &mut in_north, staff, ben).unwrap_err();
    assert!(matches!(error, AccountError::LinkedToAnother), "{error}");
    let error = link(shared, &mut in_north, Id::new(), ada).unwrap_err();
    assert!(
        matches!(error, AccountError::UnknownRecord { .. }),
        "{error}"
    );
    let error = link(shared, &mut in_north, staff, Id::new()).unwrap_err();
    assert!(matches!(error, AccountError::UnknownUser), "{error}");
    let linked: Option<SharedRef<User>> = staff_members::table
        .find(staff)
        .select(staff_members::user_id)
        .first(&mut in_north)
        .unwrap();
    assert_eq!(linked.map(SharedRef::id), Some(ada));
}

/// Links for somebody else while `first` has written its link and not committed it. It waits for its turn, or has looked
/// before that, and acts on what is no longer so.
fn meanwhile(
    service: &Service,
    first: impl FnOnce(&mut SharedContext, &mut TenantContext) -> Result<(), AccountError>,
    late: impl FnOnce(&mut SharedContext, &mut TenantContext) -> Result<(), AccountError> + Send,
) -> Result<(), AccountError> {
    let north: TenantId = "NORTH".parse().unwrap();
    std::thread::scope(|threads| {
        let (begins, begun) = mpsc::channel();
        let waiting = service
            .tenancy
            .tenant(&north)
            .unwrap()
            .transaction(|tenant| {
                first(&mut service.shared(), tenant)?;
                let waiting = threads.spawn(move || {
                    let mut tenant = service.tenancy.tenant(&north).unwrap();
                    let armed = Arc::new(AtomicBool::new(false));
                    let watched = Arc::clone(&armed);
                    let watch = move |event: InstrumentationEvent<'_>| match event {
                        InstrumentationEvent::BeginTransaction { .. }
                        | InstrumentationEvent::FinishQuery { .. }
                            if watched.load(Ordering::Relaxed) =>
                        {
                            begins.send(()).unwrap_or(());
                        }
                        _ => {}
                    };
                    let watching = tenant.unrouted("see what it does", |raw| {
                        raw.connection().set_instrumentation(watch);
                        QueryResult::Ok(())
                    });
                    watching.unwrap();
                    armed.store(true, Ordering::Relaxed);
                    late(&mut service.shared(), &mut tenant)
                });
                begun.recv().unwrap();
                Ok::<_, AccountError>(waiting)
            });
        waiting.unwrap().join().unwrap()
    })
}

/// Both looked, found the record free, and were told that it was theirs.
#[test]
fn of_two_who_link_one_record_at_once_one_gets_it() {
    let service = service();
    let north = service.hospital("NORTH");
    let accounts = &service.accounts;
    let [ada, ben] = ["ada", "ben"].map(|name| {
        let new = NewAccount::new(name, "x", format!("{name}@example.org"));
        let new = new.member_of(north, Role::Nurse);
        let made = accounts.create(&mut service.shared(), &new, at(0));
        made.unwrap().user
    });
    let member = NewStaffMember::named("EMP-1", StaffKind::Nurse, "Ada", "x", today(), at(0));
    let patient = NewPatient::named("PAT-1", "Ada", "x", today(), Sex::Female, at(0));
    let (staff, treated) = (member.id, patient.id);
    let in_north = || service.tenancy.tenant(&"NORTH".parse().unwrap()).unwrap();
    let tenant = &mut in_north();
    let made = diesel::insert_into(staff_members::table).values(&member);
    made.execute(tenant).unwrap();
    let made = diesel::insert_into(patients::table).values(&patient);
    made.execute(tenant).unwrap();

    let late = meanwhile(
        &service,
        |shared, tenant| accounts.link_staff(shared, tenant, staff, ada, at(1)),
        |shared, tenant| accounts.link_staff(shared, tenant, staff, ben, at(1)),
    );
    assert!(
        matches!(late, Err(AccountError::LinkedToAnother)),
        "{late:?}"
    );
    let late = meanwhile(
        &service,
        |shared, tenant| accounts.link_patient(shared, tenant, treated, ada, at(1)),
        |shared, tenant| accounts.link_patient(shared, tenant, treated, ben, at(1)),
    );
    assert!(
        matches!(late, Err(AccountError::LinkedToAnother)),
        "{late:?}"
    );
    let staff_user = staff_members::table
        .find(staff)
        .select(staff_members::user_id);
    let patient_user = patients::table.find(treated).select(patients::user_id);
    type Linked = Option<SharedRef<User>>;
    let linked: [Linked; 2] = [
        staff_user.first(tenant).unwrap(),
        patient_user.first(tenant).unwrap(),
    ];
    assert_eq!(linked.map(|user| user.map(SharedRef::id)), [Some(ada); 2]);
}
