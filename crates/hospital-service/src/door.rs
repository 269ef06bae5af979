//! Who may see a hospital's pages: members, by the module their role may use.
use askama::Template;
use axum::Form;
use axum::extract::{Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::hospitals;
use diesel_tenants::models::shared::accounts::Hospital;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, Accounts, LoginError, SessionToken};
use diesel_tenants::services::now;
use diesel_tenants::services::permissions::{Module, may_use};
use diesel_tenants_axum::{RunError, SharedDb, TenantDb};

use crate::front::show;

/// Each hospital's host has a session of its own: the cookie names no domain.
const SESSION: &str = "hospital-session";

fn session(headers: &HeaderMap) -> Option<SessionToken> {
    let lines = headers.get_all(COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == SESSION)?;
    Some(SessionToken::from_cookie(value))
}

/// Lets members pass whose role may use the module. Others are sent to log in, programs get `401` and `403`.
pub(crate) async fn members_only(
    State(module): State<Module>,
    tenant: TenantDb,
    shared: SharedDb,
    request: Request,
    next: Next,
) -> Response {
    let Some(session) = session(request.headers()) else {
        return to_the_door(request.headers());
    };
    let code = tenant.id();
    let role = shared.run(move |shared| {
        let accounts = Accounts::default();
        let Some(hospital) = hospital_of(shared, code)? else {
            return Ok(None);
        };
        match accounts.signed_in(shared, &session, Some(hospital), now())? {
            Some(signed_in) if !signed_in.user.must_change_password => {
                accounts.role_in(shared, signed_in.user.id, hospital)
            }
            _ => Ok(None),
        }
    });
    match role.await {
        Ok(Some(role)) if may_use(role, module) => next.run(request).await,
        Ok(Some(_)) => StatusCode::FORBIDDEN.into_response(),
        Ok(None) => to_the_door(request.headers()),
        Err(RunError::Rejected(rejection)) => rejection.into_response(),
        Err(RunError::Failed(AccountError::Query(_)) | RunError::Failed(_)) => {
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The row of the hospital that a tenant is.
fn hospital_of(
    shared: &mut SharedContext,
    tenant: TenantId,
) -> Result<Option<Id<Hospital>>, AccountError> {
    let row = hospitals::table
        .filter(hospitals::code.eq(tenant.as_str()))
        .select(hospitals::id);
    Ok(row.first(shared).optional()?)
}

fn to_the_door(headers: &HeaderMap) -> Response {
    match crate::modules::wants_a_page(headers) {
        true => Redirect::to("/login").into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct Door {
    hospital: String,
    username: String,
    must_choose: bool,
    error: String,
}

/// `GET /login` of a hospital.
pub(crate) async fn page(tenant: TenantDb) -> Response {
    let page = Door {
        hospital: tenant.id().to_string(),
        username: String::new(),
        must_choose: false,
        error: String::new(),
    };
    show(StatusCode::OK, &page)
}

/// What the form sends. `chosen` is there when a password must be chosen.
#[derive(serde::Deserialize)]
pub(crate) struct Given {
    username: String,
    password: String,
    #[serde(default)]
    chosen: String,
}

enum Refused {
    /// The password was made up and must be changed with the same form.
    MustChoose,
    Login(LoginError),
    Account(AccountError),
}

impl From<AccountError> for Refused {
    fn from(error: AccountError) -> Self {
        Self::Account(error)
    }
}

/// `POST /login` of a hospital: a session that is good there, and opens what the user may use as a member.
pub(crate) async fn log_in(
    tenant: TenantDb,
    shared: SharedDb,
    Form(given): Form<Given>,
) -> Response {
    let username = given.username.clone();
    let code = tenant.id();
    let session = shared.run(move |shared| {
        let accounts = Accounts::default();
        let hospital = hospital_of(shared, code)?;
        let mut login = accounts
            .log_in(shared, &given.username, &given.password, None, now())
            .map_err(Refused::Login)?;
        if login.must_change_password {
            if given.chosen.is_empty() {
                return Err(Refused::MustChoose);
            }
            let (present, chosen) = (&given.password, &given.chosen);
            login = accounts.change_password(shared, login.user, present, chosen, None, now())?;
        }
        // Without a row it could open nothing.
        let hospital = hospital
            .ok_or(LoginError::Refused)
            .map_err(Refused::Login)?;
        Ok(accounts.begin_session(shared, &login, Some(hospital), None, None, now())?)
    });
    let (must_choose, error) = match session.await {
        Ok(session) => {
            let cookie = format!(
                "{SESSION}={}; Path=/; HttpOnly; SameSite=Strict",
                session.reveal()
            );
            return ([(SET_COOKIE, cookie)], Redirect::to("/")).into_response();
        }
        Err(RunError::Rejected(rejection)) => return rejection.into_response(),
        Err(RunError::Failed(Refused::MustChoose)) => (true, String::new()),
        Err(RunError::Failed(Refused::Account(AccountError::WeakPassword(error)))) => {
            (true, error.to_string())
        }
        // Somebody else was faster.
        Err(RunError::Failed(Refused::Account(
            error @ (AccountError::WrongPassword
            | AccountError::Locked { .. }
            | AccountError::LoginOutdated),
        ))) => (false, error.to_string()),
        Err(RunError::Failed(Refused::Login(LoginError::Account(_)) | Refused::Account(_))) => {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        Err(RunError::Failed(Refused::Login(error))) => (false, error.to_string()),
    };
    let page = Door {
        hospital: tenant.id().to_string(),
        username,
        must_choose,
        error,
    };
    show(StatusCode::FORBIDDEN, &page)
}
