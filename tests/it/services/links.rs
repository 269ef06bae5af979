//! Accounts and the records of persons in a hospital's database.
use diesel_tenants::id::{Id, SharedRef};
use diesel_tenants::models::schema::tenant::staff_members;
use diesel_tenants::models::shared::accounts::{Role, User};
use diesel_tenants::models::tenant::staff::{NewStaffMember, StaffKind};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, NewAccount};

use super::{at, service, today};

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
