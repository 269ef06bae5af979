//! Who may see a hospital's pages: members, by the module their role may use.
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::Form;
use axum::extract::{Request, State};
use axum::http::header::{COOKIE, ORIGIN, SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use diesel_tenants::id::Id;
use diesel_tenants::models::shared::accounts::User;
use diesel_tenants::services::accounts::{AccountError, Accounts, LoginError, SessionToken};
use diesel_tenants::services::permissions::{Module, may_use};
use diesel_tenants::services::{hospitals, now};
use diesel_tenants_axum::{
    Caller, Incident, RunError, SharedDb, TenantDb, TenantRejection, TooMany, resolve,
};

use crate::front::show;

/// How long a log-in waits for its turn to be hashed.
const HASHING_WAIT: Duration = Duration::from_secs(5);

/// Over what browsers send the cookie. Each hospital's host has a session of its own: it names no domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookies {
    /// Plain HTTP too: for a service on one's own machine.
    Plain,
    /// TLS alone.
    Secure,
}

impl Cookies {
    /// A browser takes `__Host-` cookies from this very host alone, so that no other hospital's can plant one.
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "hospital-session",
            Self::Secure => "__Host-hospital-session",
        }
    }

    /// What sets it, or with an empty value takes it back.
    fn line(self, value: &str) -> String {
        let name = self.name();
        let secure = match self {
            Self::Plain => "",
            Self::Secure => "; Secure",
        };
        let ends = if value.is_empty() { "; Max-Age=0" } else { "" };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{ends}")
    }
}

fn session(headers: &HeaderMap, cookies: Cookies) -> Option<SessionToken> {
    let lines = headers.get_all(COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == cookies.name())?;
    Some(SessionToken::from_cookie(value))
}

/// Who asks, for what is behind [`members_only`].
#[derive(Clone, Copy)]
pub(crate) struct Member(pub(crate) Id<User>);

/// Lets members pass whose role may use the module. Others are sent to log in, programs get `401` and `403`. What is
/// behind it opens the hospital's database in the member's name.
pub(crate) async fn members_only(
    State((module, cookies)): State<(Module, Cookies)>,
    tenant: TenantDb,
    shared: SharedDb,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(session) = session(request.headers(), cookies) else {
        return to_the_door(request.headers());
    };
    let uuid = tenant.uuid();
    let role = shared.run(move |shared| {
        let accounts = Accounts::default();
        let Some(hospital) = hospitals::of_tenant(shared, uuid)? else {
            return Ok::<_, AccountError>(None);
        };
        let signed_in = match accounts.signed_in(shared, &session, Some(hospital), now())? {
            Some(signed_in) if !signed_in.user.must_change_password => signed_in,
            _ => return Ok(None),
        };
        let role = accounts.role_in(shared, signed_in.user.id, hospital)?;
        Ok(role.map(|role| (signed_in.user.id, role)))
    });
    match role.await {
        Ok(Some((user, role))) if may_use(role, module) => {
            request.extensions_mut().insert(Member(user));
            request.extensions_mut().insert(Accounts::principal(user));
            next.run(request).await
        }
        Ok(Some(_)) => StatusCode::FORBIDDEN.into_response(),
        Ok(None) => to_the_door(request.headers()),
        Err(RunError::Rejected(rejection)) => rejection.into_response(),
        Err(RunError::Failed(error)) => Incident::of(&error).into_response(),
    }
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
///
/// An account is locked after some failures in a row, by the accounts service; an address that tries many accounts is
/// turned away here, before a password is hashed for it.
pub(crate) async fn log_in(
    tenant: TenantDb,
    shared: SharedDb,
    State(service): State<crate::State>,
    Caller(address): Caller,
    headers: HeaderMap,
    Form(given): Form<Given>,
) -> Response {
    if let Some(address) = address
        && let Err(wait) = service.log_ins.attempt(address, Instant::now())
    {
        return wait.into_response();
    }
    let username = given.username.clone();
    let browser = headers.get(USER_AGENT);
    let browser = browser.and_then(|name| Some(name.to_str().ok()?.to_owned()));
    let from = Origin { address, browser };
    let session = let_in(&tenant, &shared, &service, from, given);
    let (must_choose, error) = match session.await {
        Ok(session) => {
            let cookie = service.cookies.line(session.reveal());
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
            | AccountError::LoginOutdated
            | AccountError::HospitalClosed),
        ))) => (false, error.to_string()),
        Err(RunError::Failed(
            Refused::Login(LoginError::Account(error)) | Refused::Account(error),
        )) => return Incident::of(&error).into_response(),
        Err(RunError::Failed(Refused::Login(LoginError::Locked { until }))) => {
            return TooMany((until - now()).to_std().unwrap_or_default()).into_response();
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

/// Where a request comes from.
struct Origin {
    address: Option<IpAddr>,
    browser: Option<String>,
}

/// Looks the user up, compares the password and begins a session. The work on the shared database and the hash take turns:
/// everybody needs the database's connections, and nobody who may be anybody keeps one while a hash is computed.
async fn let_in(
    tenant: &TenantDb,
    shared: &SharedDb,
    service: &crate::State,
    from: Origin,
    given: Given,
) -> Result<SessionToken, RunError<Refused>> {
    let accounts = Accounts::default();
    let address = from.address.map(|address| address.to_string());
    let (name, ip_address) = (given.username.clone(), address.clone());
    let claim = shared.run(move |shared| {
        let claim = accounts.claim(shared, &name, ip_address.as_deref(), now());
        claim.map_err(Refused::Login)
    });
    let claim = claim.await?;
    // In line, as a hospital's front desk may come to work all at once, and only so long as other work waits.
    let turn = Arc::clone(&service.hashing).acquire_owned();
    let turn = tokio::time::timeout(HASHING_WAIT, turn).await;
    let turn = turn.map_err(|_| TenantRejection::Overloaded)?;
    let compared = tokio::task::spawn_blocking(move || {
        let compared = claim.compare(&given.password);
        (compared, given, turn)
    });
    let compared = compared.await.map_err(|_| TenantRejection::Panicked)?;
    let (compared, given, turn) = compared;
    let compared = compared.map_err(|error| RunError::Failed(error.into()))?;
    let (uuid, log_ins) = (tenant.uuid(), Arc::clone(&service.log_ins));
    let session = shared.run(move |shared| {
        // Whoever changes a password has it hashed twice more.
        let _turn = turn;
        let login = accounts.let_in(shared, &compared, now());
        let mut login = login.map_err(Refused::Login)?;
        // It was the right password, whatever comes.
        if let Some(address) = from.address {
            log_ins.succeeded(address);
        }
        let address = address.as_deref();
        let hospital = hospitals::of_tenant(shared, uuid).map_err(AccountError::from)?;
        if login.must_change_password {
            if given.chosen.is_empty() {
                return Err(Refused::MustChoose);
            }
            let (present, chosen) = (&given.password, &given.chosen);
            login =
                accounts.change_password(shared, login.user, present, chosen, address, now())?;
        }
        // Without a row it could open nothing.
        let hospital = hospital
            .ok_or(LoginError::Refused)
            .map_err(Refused::Login)?;
        let browser = from.browser.as_deref();
        Ok(accounts.begin_session(shared, &login, Some(hospital), address, browser, now())?)
    });
    session.await
}

/// `POST /logout` of a hospital: ends the session and takes the cookie back, whether or not it was good.
pub(crate) async fn log_out(
    _: TenantDb,
    shared: SharedDb,
    State(cookies): State<Cookies>,
    headers: HeaderMap,
) -> Response {
    if let Some(session) = session(&headers, cookies) {
        let ended =
            shared.run(move |shared| Accounts::default().end_session(shared, &session, now()));
        match ended.await {
            Ok(_) => {}
            // Who is told that they are out must be out.
            Err(RunError::Rejected(rejection)) => return rejection.into_response(),
            Err(RunError::Failed(error)) => return Incident::of(&error).into_response(),
        }
    }
    let gone = [(SET_COOKIE, cookies.line(""))];
    match crate::modules::wants_a_page(&headers) {
        true => (gone, Redirect::to("/login")).into_response(),
        false => (gone, StatusCode::NO_CONTENT).into_response(),
    }
}

/// Refuses what changes something and was sent by another origin's page. The hospitals' hosts are one *site*, so that the
/// cookie's `SameSite` does not keep them apart. Which host it is for is asked as for the tenant: a request that names two
/// is refused, whatever it wants.
pub(crate) async fn same_origin(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let host = match resolve::host(&parts) {
        Ok(host) => host,
        Err(error) => return TenantRejection::from(error).into_response(),
    };
    let site = parts.headers.get("sec-fetch-site");
    let elsewhere = site.is_some_and(|site| site != "same-origin" && site != "none");
    let mut origins = parts.headers.get_all(ORIGIN).iter();
    let foreign = origins.any(|origin| !is_of(origin, host));
    match parts.method.is_safe() || !(elsewhere || foreign) {
        true => next.run(Request::from_parts(parts, body)).await,
        false => StatusCode::FORBIDDEN.into_response(),
    }
}

/// Whether an origin is the one of this host, whatever the scheme: TLS may end before the request gets here.
fn is_of(origin: &HeaderValue, host: Option<&str>) -> bool {
    let (Ok(origin), Some(host)) = (origin.to_str(), host) else {
        return false;
    };
    let named = origin.split_once("://").map(|(_, named)| named);
    named.is_some_and(|named| named.eq_ignore_ascii_case(host))
}
