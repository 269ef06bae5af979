//! The first page, and registering a hospital.
use askama::Template;
use axum::Form;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use diesel_tenants::Tenancy;
use diesel_tenants::id::Id;
use diesel_tenants::services::onboarding::Registered;
use diesel_tenants_axum::TenantDb;

use crate::modules::MODULES;
use crate::register::Registration;

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
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
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
    let tenant = TenantDb::from_request_parts(&mut parts, &()).await.ok();
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
    State(tenancy): State<Tenancy>,
    headers: HeaderMap,
    Form(asked): Form<Registration>,
) -> Response {
    let host = headers.get(header::HOST);
    let host = host
        .and_then(|host| host.to_str().ok())
        .unwrap_or(crate::HOST)
        .to_owned();
    let given = asked.clone();
    let work = move || crate::register::register(&tenancy, &given);
    let outcome = tokio::task::spawn_blocking(work).await;
    match outcome {
        Ok(Ok(made)) => {
            let subdomain = asked.subdomain.trim().to_lowercase();
            let enabled = made.modules.iter().map(|link| link.module.as_str());
            let enabled: Vec<&str> = enabled.collect();
            let page = Done {
                made: &made,
                address: format!("http://{subdomain}.{host}"),
                modules: MODULES
                    .iter()
                    .filter(|sheet| enabled.contains(&sheet.module.as_str()))
                    .map(|sheet| sheet.path)
                    .collect(),
            };
            show(StatusCode::CREATED, &page)
        }
        Ok(Err(error)) => {
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
                error: format!("{what}: {error}"),
            };
            show(status, &page)
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
