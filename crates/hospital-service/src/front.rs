//! The first page, and registering a hospital.
use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::Form;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use diesel_tenants::id::Id;
use diesel_tenants::services::accounts::AccountError;
use diesel_tenants::services::onboarding::{OnboardingError, Registered};
use diesel_tenants_axum::{Caller, Incident, RunError, SharedDb, TenantDb, TenantRejection};

use crate::modules::MODULES;
use crate::register::{RegisterError, Registration};

/// Made on the server, without script and without anything from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page as an answer that no cache keeps.
pub(crate) fn show(status: StatusCode, page: &impl Template) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match page.render() {
        Ok(html) => (status, headers, Html(html)).into_response(),
        Err(error) => Incident::of(&error).into_response(),
    }
}

/// The style of the service's pages.
pub(crate) async fn css() -> impl IntoResponse {
    let kind = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind], include_str!("../assets/service.css"))
}

#[derive(Template)]
#[template(path = "front.html")]
struct Front<'a> {
    hospital: Option<String>,
    modules: &'a [&'static str],
}

/// `GET /`: of a hospital its modules, of the service what there is.
pub(crate) async fn page(request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let tenant = match TenantDb::from_request_parts(&mut parts, &()).await {
        Ok(tenant) => Some(tenant),
        Err(TenantRejection::NoTenant) => None,
        Err(rejection) => return rejection.into_response(),
    };
    let modules: Vec<&str> = MODULES.iter().map(|sheet| sheet.path).collect();
    let front = Front {
        hospital: tenant.map(|tenant| tenant.id().to_string()),
        modules: &modules,
    };
    show(StatusCode::OK, &front)
}

#[derive(Template)]
#[template(path = "register.html")]
struct Register<'a> {
    asked: &'a Registration,
    error: String,
}

/// `GET /register`.
pub(crate) async fn form() -> Response {
    let asked = Registration {
        given_name: String::new(),
        family_name: String::new(),
        email: String::new(),
        key: Id::<Registration>::new().to_string(),
        ..Registration::of("", "", "")
    };
    let error = String::new();
    show(
        StatusCode::OK,
        &Register {
            asked: &asked,
            error,
        },
    )
}

#[derive(Template)]
#[template(path = "registered.html")]
struct Done<'a> {
    made: &'a Registered,
    address: String,
    modules: Vec<&'static str>,
}

/// `POST /register`. The answer has a password in it that is shown once, so it is no redirect.
pub(crate) async fn register(
    State(service): State<crate::State>,
    shared: SharedDb,
    caller: Caller,
    Form(asked): Form<Registration>,
) -> Response {
    // Those that succeed count, too: each makes a database.
    if let Err(wait) = service.registrations.attempt_by(caller, Instant::now()) {
        return wait.into_response();
    }
    let nothing_begun = || {
        if let Caller(Some(address)) = caller {
            service.registrations.take_back(address);
        }
    };
    // Turned away rather than kept waiting: anybody may ask, and a database is made for each.
    let Ok(turn) = Arc::clone(&service.registering).try_acquire_owned() else {
        nothing_begun();
        return TenantRejection::Overloaded.into_response();
    };
    let given = asked.clone();
    let outcome = shared.run_on_tenancy(move |tenancy| {
        let _turn = turn;
        crate::register::register(tenancy, &given)
    });
    match outcome.await {
        Ok(made) => {
            let subdomain = asked.subdomain.trim().to_lowercase();
            let enabled = made.modules.iter().map(|link| link.module.as_str());
            let enabled: Vec<&str> = enabled.collect();
            let page = Done {
                made: &made,
                address: service.url.below(&subdomain, ""),
                modules: MODULES
                    .iter()
                    .filter(|sheet| enabled.contains(&sheet.module.as_str()))
                    .map(|sheet| sheet.path)
                    .collect(),
            };
            show(StatusCode::CREATED, &page)
        }
        Err(RunError::Failed(error)) => {
            let (status, what) = match error.is_retryable() {
                true => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Not registered yet, send it again",
                ),
                false => (
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "Not registered, nothing was made",
                ),
            };
            let page = Register {
                asked: &asked,
                error: format!("{what}: {}", said(&error)),
            };
            show(status, &page)
        }
        Err(RunError::Rejected(rejection)) => {
            if matches!(rejection, TenantRejection::Overloaded) {
                nothing_begun();
            }
            rejection.into_response()
        }
    }
}

/// What somebody is told who may be anybody: what is wrong with what they gave, and nothing of who is here already or of
/// what goes on inside.
fn said(error: &RegisterError) -> String {
    let RegisterError::Onboarding(error) = error else {
        return match error {
            RegisterError::Key(error) => error.to_string(),
            error => hidden(error),
        };
    };
    match error {
        OnboardingError::CodeTaken { .. }
        | OnboardingError::SubdomainTaken { .. }
        | OnboardingError::Account(AccountError::EmailTaken) => {
            "the code, the subdomain or the address cannot be had; choose others".to_owned()
        }
        OnboardingError::BadCode(_)
        | OnboardingError::BadName(_)
        | OnboardingError::BadSubdomain(_)
        | OnboardingError::BadDetail { .. }
        | OnboardingError::Account(AccountError::BadName { .. } | AccountError::BadEmail) => {
            error.to_string()
        }
        error => hidden(error),
    }
}

fn hidden(error: &(dyn std::error::Error + 'static)) -> String {
    let incident = Incident::of(error);
    format!("the service cannot do it now; the reason is in its log, under {incident}")
}

/// Marks what no cache may keep: everything but the style.
pub(crate) async fn kept_by_nobody(request: Request, next: Next) -> Response {
    let is_style = request.uri().path() == "/service.css";
    let mut response = next.run(request).await;
    if !is_style {
        let no_store = HeaderValue::from_static("no-store");
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, no_store);
    }
    response
}
