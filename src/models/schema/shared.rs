//! The tables of the shared database.

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A customer's business record; the state of its database is not here.
    hospitals (id) {
        id -> Id,
        code -> Text,
        name -> Text,
        subdomain -> Text,
        contact_name -> Nullable<Text>,
        email -> Text,
        phone -> Nullable<Text>,
        address -> Nullable<Text>,
        city -> Nullable<Text>,
        country -> Nullable<Text>,
        website -> Nullable<Text>,
        time_zone -> Text,
        currency -> Text,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        closed_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A person who can log in, in however many hospitals.
    users (id) {
        id -> Id,
        username -> Text,
        email -> Text,
        password_hash -> Text,
        must_change_password -> Bool,
        superuser -> Bool,
        active -> Bool,
        failed_logins -> Integer,
        locked_until -> Nullable<Timestamp>,
        last_login_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
        password_changed_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// What a user tells about themselves.
    profiles (id) {
        id -> Id,
        user_id -> Id,
        given_name -> Text,
        family_name -> Text,
        phone -> Nullable<Text>,
        language -> Nullable<Text>,
        time_zone -> Nullable<Text>,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A log-in that is still good.
    sessions (id) {
        id -> Id,
        token_sha256 -> Text,
        user_id -> Id,
        hospital_id -> Nullable<Id>,
        ip_address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        created_at -> Timestamp,
        last_seen_at -> Timestamp,
        expires_at -> Timestamp,
        revoked_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A named set of permissions.
    groups (id) {
        id -> Id,
        name -> Text,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Something one may do, across all hospitals.
    permissions (id) {
        id -> Id,
        code -> Text,
        name -> Text,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A user is in a group.
    user_groups (user_id, group_id) {
        user_id -> Id,
        group_id -> Id,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A group has a permission.
    group_permissions (group_id, permission_id) {
        group_id -> Id,
        permission_id -> Id,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A user's membership in a hospital: the only source of a role.
    tenant_access (id) {
        id -> Id,
        user_id -> Id,
        hospital_id -> Id,
        role -> Text,
        active -> Bool,
        is_default -> Bool,
        last_used_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        closed_with_hospital -> Bool,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// An attempt to log in, for lock-outs and audits.
    login_attempts (id) {
        id -> Id,
        username -> Text,
        user_id -> Nullable<Id>,
        ip_address -> Nullable<Text>,
        succeeded -> Bool,
        attempted_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// What a hospital can subscribe to.
    plans (id) {
        id -> Id,
        code -> Text,
        name -> Text,
        description -> Nullable<Text>,
        monthly_price -> BigInt,
        yearly_price -> BigInt,
        currency -> Text,
        max_users -> Nullable<Integer>,
        max_doctors -> Nullable<Integer>,
        max_patients -> Nullable<Integer>,
        max_storage_mb -> Nullable<BigInt>,
        active -> Bool,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A hospital's contract for a plan; at most one is current.
    subscriptions (id) {
        id -> Id,
        hospital_id -> Id,
        plan_id -> Id,
        state -> Text,
        billing_cycle -> Text,
        price -> BigInt,
        currency -> Text,
        auto_renew -> Bool,
        starts_on -> Date,
        ends_on -> Date,
        trial_ends_on -> Nullable<Date>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A part of the program that a hospital has, or has not.
    hospital_modules (hospital_id, module) {
        hospital_id -> Id,
        module -> Text,
        enabled -> Bool,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A user accepted a version of the contract for a hospital.
    contract_acceptances (id) {
        id -> Id,
        hospital_id -> Id,
        user_id -> Id,
        version -> Text,
        text_sha256 -> Text,
        ip_address -> Nullable<Text>,
        accepted_at -> Timestamp,
    }
}

diesel::joinable!(profiles -> users (user_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(sessions -> hospitals (hospital_id));
diesel::joinable!(user_groups -> users (user_id));
diesel::joinable!(user_groups -> groups (group_id));
diesel::joinable!(group_permissions -> groups (group_id));
diesel::joinable!(group_permissions -> permissions (permission_id));
diesel::joinable!(tenant_access -> users (user_id));
diesel::joinable!(tenant_access -> hospitals (hospital_id));
diesel::joinable!(login_attempts -> users (user_id));
diesel::joinable!(subscriptions -> hospitals (hospital_id));
diesel::joinable!(subscriptions -> plans (plan_id));
diesel::joinable!(hospital_modules -> hospitals (hospital_id));
diesel::joinable!(contract_acceptances -> hospitals (hospital_id));
diesel::joinable!(contract_acceptances -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    contract_acceptances,
    group_permissions,
    groups,
    hospital_modules,
    hospitals,
    login_attempts,
    permissions,
    plans,
    profiles,
    sessions,
    subscriptions,
    tenant_access,
    user_groups,
    users,
);
