//! Admitting a patient: a form for people, JSON for programs.
use askama::Template;
use axum::body::Bytes;
use axum::extract::{Extension, FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use chrono::NaiveDate;
use diesel::dsl::exists;
use diesel_tenants::error::{QuotaExceeded, TenantFenced, WorkflowError};
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::{tenant_access, users};
use diesel_tenants::models::tenant::patients::{Patient, Sex};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::AccountError;
use diesel_tenants::services::admission::{
    AccountWanted, AdmissionError, Admissions, Admitted, PatientDetails,
};
use diesel_tenants::services::subscriptions::SubscriptionError;
use diesel_tenants::services::{hospitals, now};
use diesel_tenants::workflow::IdempotencyKey;
use diesel_tenants_axum::{Incident, RunError, TenantDb, TenantRejection};
use serde_json::json;

use crate::door::Member;
use crate::front::show;
use crate::modules::wants_a_page;

/// The most bytes of a request: every text as long as it may be, in JSON.
pub(crate) const BODY: usize = 512 * 1024;

/// What a program sends.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    patient: PatientDetails,
    #[serde(default)]
    account: Option<AskedAccount>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedAccount {
    email: String,
}

/// What the form sends, and what stands in it.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Filled {
    given_name: String,
    family_name: String,
    birth_date: String,
    sex: String,
    phone: String,
    allergies: String,
    account_email: String,
    /// Made with the form: one that is sent twice admits once.
    key: String,
}

#[derive(Template)]
#[template(path = "admit.html")]
struct Page<'a> {
    hospital: String,
    filled: &'a Filled,
    sexes: &'a [Sex],
    error: String,
}

#[derive(Template)]
#[template(path = "admitted.html")]
struct Done<'a> {
    hospital: String,
    made: &'a Admitted,
}

/// What is told of a failure: a status, a word for programs and a sentence for people.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// `GET /patients/new`.
pub(crate) async fn form(tenant: TenantDb) -> Response {
    let filled = Filled {
        key: Id::<Patient>::new().to_string(),
        ..Filled::default()
    };
    empty(&tenant, &filled, StatusCode::OK, String::new())
}

fn empty(tenant: &TenantDb, filled: &Filled, status: StatusCode, error: String) -> Response {
    let page = Page {
        hospital: tenant.id().to_string(),
        filled,
        sexes: Sex::ALL,
        error,
    };
    show(status, &page)
}

/// `POST /patients/`: JSON, or the form. What is sent twice with one key (the header `Idempotency-Key`, or the form's own)
/// admits once, and tells the password the first time only.
pub(crate) async fn admit(
    tenant: TenantDb,
    Extension(member): Extension<Member>,
    request: Request,
) -> Response {
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| {
            let kind = kind.as_bytes();
            kind.get(..16)
                .is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/json"))
        });
    match is_json {
        true => as_json(tenant, member, request).await,
        false => as_form(tenant, member, request).await,
    }
}

async fn as_json(tenant: TenantDb, member: Member, request: Request) -> Response {
    let key = match request
        .headers()
        .get("idempotency-key")
        .map(|key| key.to_str())
    {
        None => None,
        Some(Ok(key)) => Some(key.to_owned()),
        Some(Err(_)) => return bad_key().into_response(),
    };
    let body = match Bytes::from_request(request, &()).await {
        Ok(body) => body,
        Err(rejection) => return rejection.into_response(),
    };
    let asked: Asked = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        // The error's own text may quote what was sent.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let message = format!(
                "not the JSON of an admission, at line {line}, column {column}; see the fields of `patient`"
            );
            return invalid(message).into_response();
        }
    };
    let account = match asked.account {
        Some(account) => AccountWanted::new(account.email),
        None => AccountWanted::None,
    };
    match work(&tenant, member, asked.patient, account, key).await {
        Ok(made) => {
            let account = made.account.map(|account| {
                let password = account.password.as_ref().map(|password| password.reveal());
                json!({ "user": account.user, "username": account.username, "password": password })
            });
            let told = json!({ "id": made.patient, "number": made.number, "account": account });
            let no_store = [(header::CACHE_CONTROL, "no-store")];
            (StatusCode::CREATED, no_store, Json(told)).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn as_form(tenant: TenantDb, member: Member, request: Request) -> Response {
    let reads_pages = wants_a_page(request.headers());
    // What is wrong with a form that cannot be read may quote it.
    let Ok(Form(filled)) = Form::<Filled>::from_request(request, &()).await else {
        return invalid("neither JSON nor a form".to_owned()).into_response();
    };
    let refused = |refusal: Refusal| match reads_pages {
        true => empty(&tenant, &filled, refusal.status, refusal.message),
        false => refusal.into_response(),
    };
    let born: NaiveDate = match filled.birth_date.trim().parse() {
        Ok(born) => born,
        Err(_) => {
            return refused(invalid(
                "the day of birth is no day, as in 1990-05-17".to_owned(),
            ));
        }
    };
    let sex = match filled.sex.parse() {
        Ok(sex) => sex,
        Err(_) => return refused(invalid("the sex is none of those in the form".to_owned())),
    };
    let (given, family) = (filled.given_name.clone(), filled.family_name.clone());
    let mut patient = PatientDetails::named(given, family, born, sex);
    patient.phone = Some(filled.phone.clone());
    patient.allergies = Some(filled.allergies.clone());
    let account = match filled.account_email.trim() {
        "" => AccountWanted::None,
        email => AccountWanted::new(email),
    };
    let key = Some(filled.key.clone()).filter(|key| !key.is_empty());
    match work(&tenant, member, patient, account, key).await {
        Ok(made) => {
            let page = Done {
                hospital: tenant.id().to_string(),
                made: &made,
            };
            show(StatusCode::CREATED, &page)
        }
        Err(refusal) => refused(refusal),
    }
}

async fn work(
    tenant: &TenantDb,
    member: Member,
    mut patient: PatientDetails,
    account: AccountWanted,
    key: Option<String>,
) -> Result<Admitted, Refusal> {
    // A hospital's keys are its own.
    let key = key.map(|key| format!("{}/{key}", tenant.id()).parse::<IdempotencyKey>());
    let key = key.transpose().map_err(|_| bad_key())?;
    patient.registered_by = Some(member.0);
    let admitted = tenant.run_on_tenancy(move |tenancy, id| {
        let wanted = account.clone();
        let admitted = Admissions::default().admit(tenancy, id, key, patient, account, now());
        match (admitted, wanted) {
            (
                Err(AdmissionError::Account(AccountError::EmailTaken)),
                AccountWanted::New { email, .. },
            ) if !is_members(tenancy, id, &email)? => Ok(Err(not_with_this_address())),
            (admitted, _) => admitted.map(Ok),
        }
    });
    match admitted.await {
        Ok(told) => told,
        Err(RunError::Rejected(rejection)) => Err(rejection.into()),
        Err(RunError::Failed(error)) => Err(error.into()),
    }
}

/// Whether the address is that of a member of this hospital, of whom its people know anyway.
fn is_members(tenancy: &Tenancy, id: &TenantId, email: &str) -> Result<bool, AdmissionError> {
    let tenant = tenancy.handle(id)?.uuid();
    let shared = &mut tenancy.shared()?;
    let Some(hospital) = hospitals::of_tenant(shared, tenant)? else {
        return Ok(false);
    };
    // As addresses are kept.
    let email = email.trim().to_lowercase();
    let member = tenant_access::table
        .inner_join(users::table)
        .filter(tenant_access::hospital_id.eq(hospital))
        .filter(tenant_access::active.eq(true))
        .filter(users::email.eq(email));
    Ok(diesel::select(exists(member)).get_result(shared)?)
}

/// Of an account that is not this hospital's its people are not told: neither whose it is nor that it is there.
fn not_with_this_address() -> Refusal {
    invalid(
        "no account can be made with this e-mail address; give another one, or admit without an account"
            .to_owned(),
    )
}

fn invalid(message: String) -> Refusal {
    Refusal {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code: "invalid",
        message,
    }
}

fn bad_key() -> Refusal {
    invalid("the key of the request is no text of 1 to 60 characters".to_owned())
}

impl From<TenantRejection> for Refusal {
    fn from(rejection: TenantRejection) -> Self {
        let status = rejection.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            return unexpected(&rejection);
        }
        Self {
            status,
            code: rejection.code(),
            message: rejection.to_string(),
        }
    }
}

impl Refusal {
    fn full() -> Self {
        Self {
            status: StatusCode::PAYMENT_REQUIRED,
            code: "limit_reached",
            message: "the hospital's records take all the storage of its plan".to_owned(),
        }
    }
}

impl From<AdmissionError> for Refusal {
    fn from(error: AdmissionError) -> Self {
        let message = error.to_string();
        let (status, code) = match error {
            AdmissionError::Open(error) => return TenantRejection::from(error).into(),
            error if error.limit().is_some() => (StatusCode::PAYMENT_REQUIRED, "limit_reached"),
            AdmissionError::Subscription(SubscriptionError::ModuleDisabled { .. }) => {
                (StatusCode::FORBIDDEN, "module_disabled")
            }
            AdmissionError::Subscription(
                SubscriptionError::None | SubscriptionError::Inactive { .. },
            ) => (StatusCode::PAYMENT_REQUIRED, "subscription_required"),
            AdmissionError::Field(_)
            | AdmissionError::Account(AccountError::BadEmail | AccountError::BadName { .. }) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid")
            }
            AdmissionError::Account(AccountError::EmailTaken) => (StatusCode::CONFLICT, "conflict"),
            AdmissionError::Workflow(error) => match *error {
                WorkflowError::KeyReused { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "key_reused"),
                WorkflowError::InProgress { .. } => (StatusCode::CONFLICT, "in_progress"),
                WorkflowError::Superseded { .. } => (StatusCode::CONFLICT, "superseded"),
                WorkflowError::NoOutput { .. } => (StatusCode::CONFLICT, "result_lost"),
                WorkflowError::Abandoned { .. } => (StatusCode::CONFLICT, "given_up"),
                WorkflowError::Journal { ref source, .. }
                    if QuotaExceeded::of(source).is_some() =>
                {
                    return Refusal::full();
                }
                error if error.is_retryable() => return TenantRejection::Overloaded.into(),
                error => return unexpected(&error),
            },
            AdmissionError::Query(error) if TenantFenced::of(&error).is_some() => {
                return TenantRejection::Overloaded.into();
            }
            AdmissionError::Query(error) if QuotaExceeded::of(&error).is_some() => {
                return Refusal::full();
            }
            error => return unexpected(&error),
        };
        let message = match code {
            "key_reused" => "this key was used for another request".to_owned(),
            "in_progress" => "this request is being worked on; ask again".to_owned(),
            "superseded" => {
                "this request was done, and the hospital's database was put back since; look for \
                 the record before you send it with a new key"
                    .to_owned()
            }
            "result_lost" => {
                "this request was done, and its answer was lost when the accounts of all hospitals were put back; look for \
                 the record before you send it with a new key"
                    .to_owned()
            }
            "given_up" => {
                "this request was given up by the operator, and what it had done was left; look for the record before you \
                 send it with a new key"
                    .to_owned()
            }
            _ => message,
        };
        Self {
            status,
            code,
            message,
        }
    }
}

/// No text of the database is sent: it is in the log.
fn unexpected(error: &(dyn std::error::Error + 'static)) -> Refusal {
    let incident = Incident::of(error);
    Refusal {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: "internal",
        message: format!("something went wrong; the reason is in the log, under {incident}"),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let told = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = (self.status, Json(told)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE || self.code == "in_progress" {
            response.headers_mut().insert(header::RETRY_AFTER, 1.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They were answered as an error of the service, or with a sentence about another database.
    #[test]
    fn a_request_that_was_done_or_given_up_is_told_so() {
        let refusal = |error: WorkflowError<AdmissionError>| {
            let refusal = Refusal::from(AdmissionError::from(error));
            (refusal.status, refusal.code, refusal.message)
        };
        let (name, id) = (String::from("admission"), *Id::<Patient>::new().as_uuid());
        let lost = refusal(WorkflowError::NoOutput {
            name: name.clone(),
            id,
        });
        assert_eq!((lost.0, lost.1), (StatusCode::CONFLICT, "result_lost"));
        assert!(!lost.2.contains("hospital's database"), "{}", lost.2);
        let given_up = refusal(WorkflowError::Abandoned {
            name: name.clone(),
            id,
        });
        assert_eq!((given_up.0, given_up.1), (StatusCode::CONFLICT, "given_up"));
        let gone = refusal(WorkflowError::Superseded { name, id });
        assert_eq!((gone.0, gone.1), (StatusCode::CONFLICT, "superseded"));
    }
}
