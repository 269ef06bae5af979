//! Accounts as the source of memberships, and what is entered of them.
use diesel_tenants::AccessError;
use diesel_tenants::access::Principal;
use diesel_tenants::audit::AuditFilter;
use diesel_tenants::models::schema::shared::tenant_access;
use diesel_tenants::models::shared::accounts::Role;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, Accounts, NewAccount};
use diesel_tenants::services::hospitals;

use super::{at, service};

#[test]
fn who_works_in_a_hospital_opens_its_tenant_and_no_other() {
    let service = service();
    let tenancy = &service.tenancy;
    let north = service.hospital("NORTH");
    service.hospital("SOUTH");
    let shared = &mut service.shared();
    let (to_north, to_south) = ("NORTH".parse().unwrap(), "SOUTH".parse().unwrap());
    let new = NewAccount::new("Ada", "Lovelace", "ada@example.org").member_of(north, Role::Doctor);
    let ada = service.accounts.create(shared, &new, at(0)).unwrap().user;
    let by = Accounts::principal(ada);
    assert_eq!(by.actor().as_str(), format!("user:{ada}"));
    let role = tenancy.role_of(&by, &to_north).unwrap();
    assert_eq!(
        (role.name().as_str(), role.is_privileged()),
        ("doctor", false)
    );
    drop(tenancy.tenant_as(&by, &to_north).unwrap());
    let refused = |by: &Principal, id| {
        let refused = tenancy.tenant_as(by, id);
        assert!(
            matches!(refused, Err(AccessError::NotAMember { .. })),
            "{refused:?}"
        );
    };
    refused(&by, &to_south);
    for stranger in ["user:41", "ada", &format!("User:{ada}"), &ada.to_string()] {
        refused(&Principal::user(stranger.parse().unwrap()), &to_north);
    }
    // An admin's openings are privileged, a superuser has none.
    let accounts = &service.accounts;
    accounts
        .grant(shared, ada, north, Role::HospitalAdmin, at(1))
        .unwrap();
    assert!(tenancy.role_of(&by, &to_north).unwrap().is_privileged());
    let new = NewAccount::new("Sam", "Operator", "sam@example.org").superuser();
    let sam = accounts.create(shared, &new, at(0)).unwrap().user;
    refused(&Accounts::principal(sam), &to_north);
    // What ends a membership counts at once; so does what is done to the tenant.
    accounts.deactivate(shared, ada, at(2)).unwrap();
    refused(&by, &to_north);
    accounts.reactivate(shared, ada, at(3)).unwrap();
    drop(tenancy.tenant_as(&by, &to_north).unwrap());
    accounts.revoke_membership(shared, ada, north).unwrap();
    refused(&by, &to_north);
}

#[test]
fn a_hospital_is_one_tenant_for_ever() {
    let service = service();
    let (north, south) = (service.hospital("NORTH"), service.hospital("SOUTH"));
    let west = service.hospital_row("WEST");
    let shared = &mut service.shared();
    let uuid = |code: &str| {
        service
            .tenancy
            .handle(&code.parse().unwrap())
            .unwrap()
            .uuid()
    };
    let (to_north, to_south) = (uuid("NORTH"), uuid("SOUTH"));
    assert_eq!(hospitals::of_tenant(shared, to_north).unwrap(), Some(north));
    assert_eq!(
        hospitals::of_tenant(shared, uuid::Uuid::nil()).unwrap(),
        None
    );
    assert!(
        hospitals::bind(shared, north, to_north, at(0)).unwrap(),
        "again"
    );
    assert!(!hospitals::bind(shared, north, to_south, at(0)).unwrap());
    assert!(
        hospitals::bind(shared, west, to_south, at(0)).is_err(),
        "it is another's"
    );
    assert_eq!(hospitals::of_tenant(shared, to_south).unwrap(), Some(south));
}

#[test]
fn what_is_done_to_an_account_is_entered_with_it_and_by_whom() {
    let service = service();
    let north = service.hospital_row("NORTH");
    let admin = Principal::user("user:admin".parse().unwrap());
    let shared = &mut service.tenancy.acting_as(admin).shared().unwrap();
    let accounts = &service.accounts;
    let new = NewAccount::new("Ada", "Lovelace", "ada@example.org");
    let made = accounts.create(shared, &new, at(0)).unwrap();
    let (user, own) = (made.user, "tulip orbit cellar");
    accounts
        .grant(shared, user, north, Role::Nurse, at(1))
        .unwrap();
    assert!(accounts.revoke_membership(shared, user, north).unwrap());
    assert!(!accounts.revoke_membership(shared, user, north).unwrap());
    let first = accounts.reset_password(shared, user, at(2)).unwrap();
    let changed = accounts.change_password(shared, user, first.reveal(), own, None, at(3));
    changed.unwrap();
    accounts.set_superuser(shared, user, true, at(4)).unwrap();
    let last = accounts.set_superuser(shared, user, false, at(5));
    assert!(matches!(last, Err(AccountError::LastSuperuser)), "{last:?}");
    let new = NewAccount::new("Sam", "Operator", "sam@example.org").superuser();
    let sam = accounts.create(shared, &new, at(6)).unwrap().user;
    accounts.deactivate(shared, user, at(7)).unwrap();
    accounts.reactivate(shared, user, at(8)).unwrap();
    let wrong = accounts.change_password(shared, user, "not that", own, None, at(9));
    assert!(
        matches!(wrong, Err(AccountError::WrongPassword)),
        "{wrong:?}"
    );

    let entries = service
        .tenancy
        .audit_entries(&AuditFilter::all(), 1_000)
        .unwrap();
    let ours = entries
        .iter()
        .filter(|entry| entry.action.starts_with("account."));
    let told: Vec<_> = ours
        .map(|entry| {
            let whom = match entry.subject {
                Some(id) if id == *user.as_uuid() => "ada",
                Some(id) if id == *sam.as_uuid() => "sam",
                _ => "nobody",
            };
            let by = entry.actor.replace(&user.to_string(), "ada");
            (by, entry.action.as_str(), whom)
        })
        .collect();
    let told: Vec<_> = told
        .iter()
        .map(|(by, what, whom)| (by.as_str(), *what, *whom))
        .collect();
    assert_eq!(
        told,
        [
            ("user:admin", "account.create", "ada"),
            ("user:admin", "account.grant", "ada"),
            ("user:admin", "account.revoke", "ada"),
            ("user:admin", "account.reset-password", "ada"),
            ("user:ada", "account.change-password", "ada"),
            ("user:admin", "account.superuser", "ada"),
            ("user:admin", "account.create", "sam"),
            ("user:admin", "account.deactivate", "ada"),
            ("user:admin", "account.reactivate", "ada"),
        ]
    );
    for entry in &entries {
        let text = format!("{entry:?}").to_lowercase();
        assert!(
            !text.contains("lovelace") && !text.contains("example.org"),
            "{text}"
        );
    }

    // The entry goes with what it is about: in a transaction that is given up there is neither.
    let undone = shared.transaction(|shared| {
        accounts.grant(shared, user, north, Role::Nurse, at(10))?;
        Err::<(), _>(AccountError::UnknownHospital)
    });
    assert!(undone.is_err());
    let members = tenant_access::table
        .filter(tenant_access::active.eq(true))
        .count();
    assert_eq!(members.get_result::<i64>(shared).unwrap(), 0);
    let after = service
        .tenancy
        .audit_entries(&AuditFilter::all(), 1_000)
        .unwrap();
    assert_eq!(after.len(), entries.len());
    assert!(service.tenancy.verify_audit().unwrap().is_intact());
}
