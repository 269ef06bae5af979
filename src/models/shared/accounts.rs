//! Who may come in: the customers, their people, sessions, permissions and memberships.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::catalog::TenantRecord;
use crate::id::Id;
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::shared::{
    group_permissions, groups, hospitals, login_attempts, permissions, profiles, sessions,
    tenant_access, user_groups, users,
};

text_enum! {
    /// What a member may do in a hospital.
    pub enum Role: "role" {
        /// Runs the service itself.
        Superadmin = "superadmin",
        /// Runs one hospital.
        HospitalAdmin = "hospital_admin",
        /// Treats patients.
        Doctor = "doctor",
        /// Cares for patients.
        Nurse = "nurse",
        /// Registers patients and books appointments.
        Receptionist = "receptionist",
        /// Dispenses medicines.
        Pharmacist = "pharmacist",
        /// Performs laboratory tests.
        LabTechnician = "lab_technician",
        /// Reads imaging studies.
        Radiologist = "radiologist",
        /// Keeps invoices and payments.
        Accountant = "accountant",
        /// Keeps the staff's records.
        HrManager = "hr_manager",
        /// Any other employee.
        Staff = "staff",
        /// Sees their own records.
        Patient = "patient",
    }
}

/// A customer's business record; the state of its database is not here.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = hospitals)]
pub struct Hospital {
    /// Primary key.
    pub id: Id<Hospital>,
    /// The tenant id, as in the engine's catalogue. Which tenant it is tells `tenant_uuid`.
    pub code: String,
    /// The name on letters and screens.
    pub name: String,
    /// The first label of the hospital's host name, lower-case.
    pub subdomain: String,
    /// Whom to call.
    pub contact_name: Option<String>,
    /// Where letters about the contract go.
    pub email: String,
    /// The switchboard.
    pub phone: Option<String>,
    /// Street, number, floor.
    pub address: Option<String>,
    /// Town.
    pub city: Option<String>,
    /// Country.
    pub country: Option<String>,
    /// Public web site.
    pub website: Option<String>,
    /// IANA name, as in `Africa/Lagos`; times in the database are UTC.
    pub time_zone: String,
    /// ISO 4217 code of every amount in the hospital's database.
    pub currency: String,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
    /// Since when it is deregistered (UTC), if it is.
    pub closed_at: Option<NaiveDateTime>,
    /// The uuid of the tenant it is, once that was created: see [`services::hospitals`](crate::services::hospitals).
    pub tenant_uuid: Option<Id<TenantRecord>>,
}

/// A new [`Hospital`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = hospitals, treat_none_as_default_value = false)]
pub struct NewHospital<'a> {
    /// Primary key.
    pub id: Id<Hospital>,
    /// The tenant id, as in the engine's catalogue.
    pub code: &'a str,
    /// The name on letters and screens.
    pub name: &'a str,
    /// The first label of the hospital's host name, lower-case.
    pub subdomain: &'a str,
    /// Whom to call.
    pub contact_name: Option<&'a str>,
    /// Where letters about the contract go.
    pub email: &'a str,
    /// The switchboard.
    pub phone: Option<&'a str>,
    /// Street, number, floor.
    pub address: Option<&'a str>,
    /// Town.
    pub city: Option<&'a str>,
    /// Country.
    pub country: Option<&'a str>,
    /// Public web site.
    pub website: Option<&'a str>,
    /// IANA name, as in `Africa/Lagos`; times in the database are UTC.
    pub time_zone: &'a str,
    /// ISO 4217 code of every amount in the hospital's database.
    pub currency: &'a str,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Hospital`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = hospitals)]
pub struct HospitalChanges<'a> {
    /// The name on letters and screens.
    pub name: Option<&'a str>,
    /// The first label of the hospital's host name, lower-case.
    pub subdomain: Option<&'a str>,
    /// Whom to call.
    pub contact_name: Option<Option<&'a str>>,
    /// Where letters about the contract go.
    pub email: Option<&'a str>,
    /// The switchboard.
    pub phone: Option<Option<&'a str>>,
    /// Street, number, floor.
    pub address: Option<Option<&'a str>>,
    /// Town.
    pub city: Option<Option<&'a str>>,
    /// Country.
    pub country: Option<Option<&'a str>>,
    /// Public web site.
    pub website: Option<Option<&'a str>>,
    /// IANA name, as in `Africa/Lagos`; times in the database are UTC.
    pub time_zone: Option<&'a str>,
    /// ISO 4217 code of every amount in the hospital's database.
    pub currency: Option<&'a str>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
    /// Since when it is deregistered (UTC), if it is.
    pub closed_at: Option<Option<NaiveDateTime>>,
}

/// A person who can log in, in however many hospitals.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = users)]
pub struct User {
    /// Primary key.
    pub id: Id<User>,
    /// What one logs in with, lower-case.
    pub username: String,
    /// Lower-case.
    pub email: String,
    /// In PHC form, with its parameters and salt.
    pub password_hash: String,
    /// Whether the next log-in asks for a new password.
    pub must_change_password: bool,
    /// Whether the user runs the service itself; every other right comes from [`TenantAccess`].
    pub superuser: bool,
    /// Whether the user may log in at all.
    pub active: bool,
    /// Failures since the last log-in, for the user to see; attempts are what counts.
    pub failed_logins: i32,
    /// No log-in from anywhere before this time (UTC), as it was after the last failure.
    pub locked_until: Option<NaiveDateTime>,
    /// The last log-in (UTC).
    pub last_login_at: Option<NaiveDateTime>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
    /// When the password was last changed or reset (UTC), if ever.
    pub password_changed_at: Option<NaiveDateTime>,
}

/// A new [`User`].
#[derive(Clone, Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub struct NewUser<'a> {
    /// Primary key.
    pub id: Id<User>,
    /// What one logs in with, lower-case.
    pub username: &'a str,
    /// Lower-case.
    pub email: &'a str,
    /// In PHC form, with its parameters and salt.
    pub password_hash: &'a str,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to an [`User`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChanges<'a> {
    /// What one logs in with, lower-case.
    pub username: Option<&'a str>,
    /// Lower-case.
    pub email: Option<&'a str>,
    /// In PHC form, with its parameters and salt.
    pub password_hash: Option<&'a str>,
    /// Whether the next log-in asks for a new password.
    pub must_change_password: Option<bool>,
    /// Whether the user runs the service itself; every other right comes from [`TenantAccess`].
    pub superuser: Option<bool>,
    /// Whether the user may log in at all.
    pub active: Option<bool>,
    /// Failures since the last log-in.
    pub failed_logins: Option<i32>,
    /// No log-in before this time (UTC).
    pub locked_until: Option<Option<NaiveDateTime>>,
    /// The last log-in (UTC).
    pub last_login_at: Option<NaiveDateTime>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
    /// When the password was last changed or reset (UTC).
    pub password_changed_at: Option<NaiveDateTime>,
}

redacted_debug! {
    User { id }
    NewUser<'_> { id }
    UserChanges<'_> {}
}

/// What a user tells about themselves.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = profiles, belongs_to(User))]
pub struct Profile {
    /// Primary key.
    pub id: Id<Profile>,
    /// Whose it is.
    pub user_id: Id<User>,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Telephone.
    pub phone: Option<String>,
    /// BCP 47 tag, as in `en-GB`.
    pub language: Option<String>,
    /// IANA name; the hospital's, when `None`.
    pub time_zone: Option<String>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Profile`].
#[derive(Clone, Insertable)]
#[diesel(table_name = profiles, treat_none_as_default_value = false)]
pub struct NewProfile<'a> {
    /// Primary key.
    pub id: Id<Profile>,
    /// Whose it is.
    pub user_id: Id<User>,
    /// Given name.
    pub given_name: &'a str,
    /// Family name.
    pub family_name: &'a str,
    /// Telephone.
    pub phone: Option<&'a str>,
    /// BCP 47 tag, as in `en-GB`.
    pub language: Option<&'a str>,
    /// IANA name; the hospital's, when `None`.
    pub time_zone: Option<&'a str>,
}

/// Changes to a [`Profile`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = profiles)]
pub struct ProfileChanges<'a> {
    /// Given name.
    pub given_name: Option<&'a str>,
    /// Family name.
    pub family_name: Option<&'a str>,
    /// Telephone.
    pub phone: Option<Option<&'a str>>,
    /// BCP 47 tag, as in `en-GB`.
    pub language: Option<Option<&'a str>>,
    /// IANA name; the hospital's, when `None`.
    pub time_zone: Option<Option<&'a str>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Profile { id }
    NewProfile<'_> { id }
    ProfileChanges<'_> {}
}

/// A log-in that is still good.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = sessions, belongs_to(User), belongs_to(Hospital))]
pub struct Session {
    /// Primary key.
    pub id: Id<Session>,
    /// Digest of the cookie, in hexadecimal; the cookie itself is nowhere.
    pub token_sha256: String,
    /// Who logged in.
    pub user_id: Id<User>,
    /// The hospital it is good for; `None` is the service itself, such as its console.
    pub hospital_id: Option<Id<Hospital>>,
    /// Where the log-in came from.
    pub ip_address: Option<String>,
    /// The browser's name for itself.
    pub user_agent: Option<String>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// The last request (UTC).
    pub last_seen_at: NaiveDateTime,
    /// Not good from this time on (UTC).
    pub expires_at: NaiveDateTime,
    /// When the session was ended early (UTC).
    pub revoked_at: Option<NaiveDateTime>,
}

/// A new [`Session`].
#[derive(Clone, Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
pub struct NewSession<'a> {
    /// Primary key.
    pub id: Id<Session>,
    /// Digest of the cookie, in hexadecimal; the cookie itself is nowhere.
    pub token_sha256: &'a str,
    /// Who logged in.
    pub user_id: Id<User>,
    /// The hospital the user works in at the moment.
    pub hospital_id: Option<Id<Hospital>>,
    /// Where the log-in came from.
    pub ip_address: Option<&'a str>,
    /// The browser's name for itself.
    pub user_agent: Option<&'a str>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// The last request (UTC).
    pub last_seen_at: NaiveDateTime,
    /// Not good from this time on (UTC).
    pub expires_at: NaiveDateTime,
}

/// Changes to a [`Session`]: `None` leaves the column as it is. What it is good for is none of them: it ends, and another one
/// is begun.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = sessions)]
pub struct SessionChanges {
    /// The last request (UTC).
    pub last_seen_at: Option<NaiveDateTime>,
    /// Not good from this time on (UTC).
    pub expires_at: Option<NaiveDateTime>,
    /// When the session was ended early (UTC).
    pub revoked_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Session { id }
    NewSession<'_> { id }
    SessionChanges {}
}

/// A named set of permissions.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = groups)]
pub struct Group {
    /// Primary key.
    pub id: Id<Group>,
    /// The name.
    pub name: String,
}

/// A new [`Group`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = groups, treat_none_as_default_value = false)]
pub struct NewGroup<'a> {
    /// Primary key.
    pub id: Id<Group>,
    /// The name.
    pub name: &'a str,
}

/// Changes to a [`Group`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = groups)]
pub struct GroupChanges<'a> {
    /// The name.
    pub name: Option<&'a str>,
}

/// Something one may do, across all hospitals.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = permissions)]
pub struct Permission {
    /// Primary key.
    pub id: Id<Permission>,
    /// What the program asks for, as in `plans.edit`.
    pub code: String,
    /// What a person reads.
    pub name: String,
}

/// A new [`Permission`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = permissions, treat_none_as_default_value = false)]
pub struct NewPermission<'a> {
    /// Primary key.
    pub id: Id<Permission>,
    /// What the program asks for, as in `plans.edit`.
    pub code: &'a str,
    /// What a person reads.
    pub name: &'a str,
}

/// Changes to a [`Permission`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = permissions)]
pub struct PermissionChanges<'a> {
    /// What a person reads.
    pub name: Option<&'a str>,
}

/// A user is in a group.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = user_groups, primary_key(user_id, group_id), belongs_to(User), belongs_to(Group))]
pub struct UserGroup {
    /// The user.
    pub user_id: Id<User>,
    /// The group.
    pub group_id: Id<Group>,
}

/// A new [`UserGroup`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = user_groups, treat_none_as_default_value = false)]
pub struct NewUserGroup {
    /// The user.
    pub user_id: Id<User>,
    /// The group.
    pub group_id: Id<Group>,
}

/// A group has a permission.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = group_permissions, primary_key(group_id, permission_id), belongs_to(Group), belongs_to(Permission))]
pub struct GroupPermission {
    /// The group.
    pub group_id: Id<Group>,
    /// The permission.
    pub permission_id: Id<Permission>,
}

/// A new [`GroupPermission`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = group_permissions, treat_none_as_default_value = false)]
pub struct NewGroupPermission {
    /// The group.
    pub group_id: Id<Group>,
    /// The permission.
    pub permission_id: Id<Permission>,
}

/// A user's membership in a hospital: the only source of a role.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = tenant_access, belongs_to(User), belongs_to(Hospital))]
pub struct TenantAccess {
    /// Primary key.
    pub id: Id<TenantAccess>,
    /// The member.
    pub user_id: Id<User>,
    /// The hospital.
    pub hospital_id: Id<Hospital>,
    /// What the member may do there.
    pub role: Role,
    /// Whether the membership counts.
    pub active: bool,
    /// Whether the user starts here; at most one membership of a user does.
    pub is_default: bool,
    /// When the user last entered the hospital (UTC).
    pub last_used_at: Option<NaiveDateTime>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// Whether it ended when the hospital was closed, and comes back with it.
    pub closed_with_hospital: bool,
}

/// A new [`TenantAccess`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = tenant_access, treat_none_as_default_value = false)]
pub struct NewTenantAccess {
    /// Primary key.
    pub id: Id<TenantAccess>,
    /// The member.
    pub user_id: Id<User>,
    /// The hospital.
    pub hospital_id: Id<Hospital>,
    /// What the member may do there.
    pub role: Role,
    /// Whether the user starts here; at most one membership of a user does.
    pub is_default: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`TenantAccess`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = tenant_access)]
pub struct TenantAccessChanges {
    /// What the member may do there.
    pub role: Option<Role>,
    /// Whether the membership counts.
    pub active: Option<bool>,
    /// Whether the user starts here; at most one membership of a user does.
    pub is_default: Option<bool>,
    /// When the user last entered the hospital (UTC).
    pub last_used_at: Option<NaiveDateTime>,
    /// Whether it ended when the hospital was closed, and comes back with it.
    pub closed_with_hospital: Option<bool>,
}

/// An attempt to log in, for lock-outs and audits.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = login_attempts, belongs_to(User))]
pub struct LoginAttempt {
    /// Primary key.
    pub id: Id<LoginAttempt>,
    /// What was typed; not necessarily a user's name.
    pub username: String,
    /// The user of that name, if there is one.
    pub user_id: Option<Id<User>>,
    /// Where it came from.
    pub ip_address: Option<String>,
    /// Whether it was let in.
    pub succeeded: bool,
    /// When (UTC).
    pub attempted_at: NaiveDateTime,
}

/// A new [`LoginAttempt`].
#[derive(Clone, Insertable)]
#[diesel(table_name = login_attempts, treat_none_as_default_value = false)]
pub struct NewLoginAttempt<'a> {
    /// Primary key.
    pub id: Id<LoginAttempt>,
    /// What was typed; not necessarily a user's name.
    pub username: &'a str,
    /// The user of that name, if there is one.
    pub user_id: Option<Id<User>>,
    /// Where it came from.
    pub ip_address: Option<&'a str>,
    /// Whether it was let in.
    pub succeeded: bool,
    /// When (UTC).
    pub attempted_at: NaiveDateTime,
}

redacted_debug! {
    LoginAttempt { id }
    NewLoginAttempt<'_> { id }
}
