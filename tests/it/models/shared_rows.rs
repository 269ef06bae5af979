//! One row in every table of the shared database.

use super::dsl::*;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::{
    contract_acceptances, group_permissions, groups, hospital_modules, hospitals, login_attempts,
    permissions, plans, profiles, sessions, subscriptions, tenant_access, user_groups, users,
};
use diesel_tenants::models::shared::accounts::{
    Group, GroupPermission, Hospital, LoginAttempt, NewGroup, NewGroupPermission, NewHospital,
    NewLoginAttempt, NewPermission, NewProfile, NewSession, NewTenantAccess, NewUser, NewUserGroup,
    Permission, Profile, Role, Session, TenantAccess, User, UserGroup,
};
use diesel_tenants::models::shared::subscriptions::{
    BillingCycle, ContractAcceptance, HospitalModule, NewContractAcceptance, NewHospitalModule,
    NewPlan, NewSubscription, Plan, Subscription, SubscriptionState,
};
use diesel_tenants::money::Money;

use super::round_trip;
use super::values::{at, day};

/// Inserts and reads back a row of every table.
pub(super) fn fill(conn: &mut Conn) {
    let hospital = round_trip!(
        conn,
        hospitals,
        Hospital,
        NewHospital {
            id: Id::new(),
            code: "code",
            name: "name",
            subdomain: "subdomain",
            contact_name: Some("contact name"),
            email: "email",
            phone: Some("phone"),
            address: Some("address"),
            city: Some("city"),
            country: Some("country"),
            website: Some("website"),
            time_zone: "time zone",
            currency: "currency",
            created_at: at(1)
        }
    );
    let user = round_trip!(
        conn,
        users,
        User,
        NewUser {
            id: Id::new(),
            username: "username",
            email: "email",
            password_hash: "password hash",
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        profiles,
        Profile,
        NewProfile {
            id: Id::new(),
            user_id: user.id,
            given_name: "given name",
            family_name: "family name",
            phone: Some("phone"),
            language: Some("language"),
            time_zone: Some("time zone")
        }
    );
    round_trip!(
        conn,
        sessions,
        Session,
        NewSession {
            id: Id::new(),
            token_sha256: "token sha256",
            user_id: user.id,
            hospital_id: Some(hospital.id),
            ip_address: Some("ip address"),
            user_agent: Some("user agent"),
            created_at: at(1),
            last_seen_at: at(2),
            expires_at: at(3)
        }
    );
    let group = round_trip!(
        conn,
        groups,
        Group,
        NewGroup {
            id: Id::new(),
            name: "name"
        }
    );
    let permission = round_trip!(
        conn,
        permissions,
        Permission,
        NewPermission {
            id: Id::new(),
            code: "code",
            name: "name"
        }
    );
    round_trip!(
        conn,
        user_groups,
        UserGroup,
        NewUserGroup {
            user_id: user.id,
            group_id: group.id
        }
    );
    round_trip!(
        conn,
        group_permissions,
        GroupPermission,
        NewGroupPermission {
            group_id: group.id,
            permission_id: permission.id
        }
    );
    round_trip!(
        conn,
        tenant_access,
        TenantAccess,
        NewTenantAccess {
            id: Id::new(),
            user_id: user.id,
            hospital_id: hospital.id,
            role: Role::Nurse,
            is_default: true,
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        login_attempts,
        LoginAttempt,
        NewLoginAttempt {
            id: Id::new(),
            username: "username",
            user_id: Some(user.id),
            ip_address: Some("ip address"),
            succeeded: true,
            attempted_at: at(1)
        }
    );
    let plan = round_trip!(
        conn,
        plans,
        Plan,
        NewPlan {
            id: Id::new(),
            code: "code",
            name: "name",
            description: Some("description"),
            monthly_price: Money(105),
            yearly_price: Money(205),
            currency: "currency",
            max_users: Some(2),
            max_doctors: Some(3),
            max_patients: Some(4),
            max_storage_mb: Some(1 << 40),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        subscriptions,
        Subscription,
        NewSubscription {
            id: Id::new(),
            hospital_id: hospital.id,
            plan_id: plan.id,
            state: SubscriptionState::PastDue,
            billing_cycle: BillingCycle::Yearly,
            price: Money(105),
            currency: "currency",
            auto_renew: true,
            starts_on: day(1),
            ends_on: day(2),
            trial_ends_on: Some(day(3)),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        hospital_modules,
        HospitalModule,
        NewHospitalModule {
            hospital_id: hospital.id,
            module: "module",
            enabled: true
        }
    );
    round_trip!(
        conn,
        contract_acceptances,
        ContractAcceptance,
        NewContractAcceptance {
            id: Id::new(),
            hospital_id: hospital.id,
            user_id: user.id,
            version: "version",
            text_sha256: "text sha256",
            ip_address: Some("ip address"),
            accepted_at: at(1)
        }
    );
}
