//! Who is there: logging in and out, choosing a password, and the token that forms carry.
use std::net::IpAddr;
use std::time::Instant;

use askama::Template;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{COOKIE, SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use diesel_tenants::Tenancy;
use diesel_tenants::access::{ActorId, Principal};
use diesel_tenants::audit::AuditNote;
use diesel_tenants::id::Id;
use diesel_tenants::models::shared::accounts::User;
use diesel_tenants::services::accounts::{AccountError, LoginError, SessionToken};
use diesel_tenants::services::now;
use diesel_tenants_axum::{Caller, Incident};
use rand::RngExt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::console::{App, Shared};
use crate::failure::{Failure, show};
use crate::given::Fields;
use crate::headers::Mount;

/// What a form carries to show that this console made it for this browser: a digest of the cookie, which another site
/// can neither read nor set. `Debug` shows nothing of it.
#[derive(Clone)]
pub(crate) struct FormToken(String);

impl FormToken {
    fn of(cookie: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(b"diesel-tenants-console form\0")
            .chain_update(cookie)
            .finalize();
        Self(hex(&digest))
    }

    /// # Errors
    /// [`Failure::Forged`] where the form carries another.
    pub(crate) fn check(&self, given: &str) -> Result<(), Failure> {
        let same: bool = self.0.as_bytes().ct_eq(given.as_bytes()).into();
        if same { Ok(()) } else { Err(Failure::Forged) }
    }
}

impl std::fmt::Display for FormToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The cookies, and what they are called.
#[derive(Clone, Copy)]
enum Cookie {
    /// The session.
    Session,
    /// Before there is one: what the log-in form is tied to.
    Visit,
}

impl Cookie {
    /// A browser takes `__Host-` cookies from this very host alone, so that a tenant's subdomain cannot plant one.
    fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, true) => "__Host-tenants-console",
            (Self::Session, false) => "tenants-console",
            (Self::Visit, true) => "__Host-tenants-console-visit",
            (Self::Visit, false) => "tenants-console-visit",
        }
    }

    fn read(self, headers: &HeaderMap, secure: bool) -> Option<&str> {
        let name = self.name(secure);
        let lines = headers.get_all(COOKIE).iter();
        let mut pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let found = pairs.find(|(key, _)| *key == name)?.1;
        // Every value that was given out is 64 hexadecimal digits.
        let good = found.len() == 64 && found.bytes().all(|byte| byte.is_ascii_hexdigit());
        good.then_some(found)
    }

    fn set(self, response: &mut Response, value: &str, secure: bool) {
        let name = self.name(secure);
        let secure = if secure { "; Secure" } else { "" };
        let ends = if value.is_empty() { "; Max-Age=0" } else { "" };
        let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{ends}");
        if let Ok(line) = HeaderValue::from_str(&line) {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }
}

/// The superuser a request is from. They may still have to choose a password.
#[derive(Clone)]
pub(crate) struct Operator {
    pub(crate) username: String,
    pub(crate) form: FormToken,
    pub(crate) mount: Mount,
    /// Whom the audit log names.
    principal: Principal,
    user: Id<User>,
    must_choose: bool,
    session: SessionToken,
}

/// How a user is named in the audit log, whom no change of name reaches.
pub(crate) fn actor_of(user: Id<User>) -> Result<ActorId, Failure> {
    Ok(format!("user:{user}").parse()?)
}

fn superuser(user: Id<User>) -> Result<Principal, Failure> {
    Ok(Principal::user(actor_of(user)?).with_role("superuser".parse()?))
}

impl Operator {
    /// The library, with this person named in the audit log for whatever is done through it.
    pub(crate) fn acting(&self, app: &Shared) -> Tenancy {
        app.tenancy.acting_as(self.principal.clone())
    }

    /// Whether the session is good still, for an answer that goes on for long. When that cannot be told, it is not.
    pub(crate) async fn is_in_still(&self, app: &App) -> bool {
        let asked = self.session.clone();
        let found = app.blocking(move |app| {
            let shared = &mut app.tenancy.shared()?;
            Ok(app.accounts.is_signed_in(shared, &asked, None, now())?)
        });
        let found = found.await.ok().flatten();
        found.is_some_and(|found| found.user.superuser)
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let Ok(mount) = Mount::from_request_parts(parts, app).await;
        let Some(cookie) = Cookie::Session.read(&parts.headers, app.secure) else {
            return Err(Failure::LoggedOut(mount));
        };
        let (form, session) = (FormToken::of(cookie), SessionToken::from_cookie(cookie));
        let asked = session.clone();
        let found = app.blocking(move |app| {
            Ok(app
                .accounts
                .signed_in(&mut app.tenancy.shared()?, &asked, None, now())?)
        });
        let Some(found) = found.await.map_err(Failure::hidden)? else {
            return Err(Failure::LoggedOut(mount));
        };
        if !found.user.superuser {
            return Err(Failure::NotSuperuser);
        }
        Ok(Self {
            principal: superuser(found.user.id)?,
            username: found.user.username,
            form,
            mount,
            user: found.user.id,
            must_choose: found.user.must_change_password,
            session,
        })
    }
}

/// Lets nobody in who is not logged in, or has to choose a password first.
pub(crate) async fn must_have_chosen(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match Operator::from_request_parts(&mut parts, &app).await {
        Err(failure) => failure.into_response(),
        // This very path: `/tenants/logout` is a tenant.
        Ok(operator) if operator.must_choose && parts.uri.path() != "/logout" => {
            Failure::MustChoose(operator.mount).into_response()
        }
        Ok(operator) => {
            parts.extensions.insert(operator);
            next.run(Request::from_parts(parts, body)).await
        }
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    mount: &'a Mount,
    form: FormToken,
    username: &'a str,
    error: &'a str,
}

pub(crate) async fn login_page(
    State(app): State<App>,
    mount: Mount,
    headers: HeaderMap,
) -> Response {
    // A cookie that is there stays: the form may be open twice.
    let known = Cookie::Visit.read(&headers, app.secure).map(str::to_owned);
    let visit = known
        .clone()
        .unwrap_or_else(|| hex(&rand::rng().random::<[u8; 32]>()));
    let mut response = show(&LoginPage {
        mount: &mount,
        form: FormToken::of(&visit),
        username: "",
        error: "",
    });
    if known.is_none() {
        Cookie::Visit.set(&mut response, &visit, app.secure);
    }
    response
}

/// Where a request comes from, as far as the service says.
pub(crate) struct Client {
    address: Option<IpAddr>,
    browser: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Caller(address) = Caller::from_request_parts(parts, state).await?;
        let browser = parts.headers.get(USER_AGENT);
        Ok(Self {
            address,
            browser: browser.and_then(|name| name.to_str().ok().map(str::to_owned)),
        })
    }
}

impl Client {
    fn address(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
}

/// Why nobody was let in.
enum Refused {
    Login(LoginError),
    NotSuperuser,
}

pub(crate) async fn log_in(
    State(app): State<App>,
    mount: Mount,
    client: Client,
    headers: HeaderMap,
    given: Fields,
) -> Result<Response, Failure> {
    let visit = Cookie::Visit.read(&headers, app.secure);
    let form = FormToken::of(visit.ok_or(Failure::Forged)?);
    form.check(given.get("token"))?;
    let username = given.get("username").to_owned();
    // Before a password is hashed: who gives another name each time is not stopped by the locks of accounts.
    let address = client.address;
    if let Some(address) = address {
        let attempt = app.log_ins.attempt(address, Instant::now());
        attempt.map_err(Failure::TooMany)?;
    }
    let outcome = app.hashing(move |app| log_in_now(app, &given, &client));
    let error = match outcome.await.map_err(Failure::hidden)? {
        Ok(session) => {
            if let Some(address) = address {
                app.log_ins.succeeded(address);
            }
            let mut response = Redirect::to(&mount.to("/tenants")).into_response();
            Cookie::Session.set(&mut response, session.reveal(), app.secure);
            Cookie::Visit.set(&mut response, "", app.secure);
            return Ok(response);
        }
        Err(Refused::Login(LoginError::Account(error))) => {
            return Err(Failure::Hidden(Incident::of(&error)));
        }
        Err(Refused::Login(error)) => error.to_string(),
        Err(Refused::NotSuperuser) => {
            "this account does not run the service; log in as a superuser".to_owned()
        }
    };
    let page = LoginPage {
        mount: &mount,
        form,
        username: &username,
        error: &error,
    };
    Ok((StatusCode::FORBIDDEN, show(&page)).into_response())
}

fn log_in_now(
    app: &Shared,
    given: &Fields,
    client: &Client,
) -> Result<Result<SessionToken, Refused>, Failure> {
    let (address, browser) = (client.address(), client.browser.as_deref());
    let address = address.as_deref();
    let accounts = &app.accounts;
    let (username, password) = (given.get("username"), given.exact("password"));
    // Everybody needs the shared database's connections: none is held while the password is hashed.
    let claim = accounts.claim(&mut app.tenancy.shared()?, username, address, now());
    let compared = match claim {
        Ok(claim) => claim.compare(password)?,
        Err(error) => return Ok(Err(Refused::Login(error))),
    };
    let shared = &mut app.tenancy.shared()?;
    let login = match accounts.let_in(shared, &compared, now()) {
        Ok(login) if login.superuser => login,
        Ok(_) => return Ok(Err(Refused::NotSuperuser)),
        Err(error) => return Ok(Err(Refused::Login(error))),
    };
    let session = accounts.begin_session(shared, &login, None, address, browser, now())?;
    note(app, superuser(login.user)?, "console.log-in")?;
    Ok(Ok(session))
}

/// Enters something a superuser did to their own session.
fn note(app: &Shared, by: Principal, action: &'static str) -> Result<(), Failure> {
    let note = AuditNote::of_sister(action);
    Ok(app.tenancy.acting_as(by).audit(&note)?)
}

pub(crate) async fn log_out(
    State(app): State<App>,
    operator: Operator,
    given: Fields,
) -> Result<Response, Failure> {
    operator.form.check(given.get("token"))?;
    let (session, by) = (operator.session.clone(), operator.principal.clone());
    app.blocking(move |app| {
        let shared = &mut app.tenancy.shared()?;
        app.accounts.end_session(shared, &session, now())?;
        note(app, by, "console.log-out")
    })
    .await?;
    let mut response = Redirect::to(&operator.mount.to("/login")).into_response();
    Cookie::Session.set(&mut response, "", app.secure);
    Ok(response)
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage<'a> {
    me: &'a Operator,
    must: bool,
    error: &'a str,
}

pub(crate) async fn password_page(operator: Operator) -> Response {
    show(&PasswordPage {
        me: &operator,
        must: operator.must_choose,
        error: "",
    })
}

pub(crate) async fn choose_password(
    State(app): State<App>,
    operator: Operator,
    client: Client,
    given: Fields,
) -> Result<Response, Failure> {
    operator.form.check(given.get("token"))?;
    let user = operator.user;
    let outcome = if given.exact("chosen") == given.exact("again") {
        app.hashing(move |app| choose_now(app, user, &given, &client))
            .await?
    } else {
        Err("the two new passwords are not the same".to_owned())
    };
    match outcome {
        // All sessions have ended, this one too: the new password is in the hands of whoever chose it, who goes on.
        Ok(session) => {
            let mut response = Redirect::to(&operator.mount.to("/tenants")).into_response();
            Cookie::Session.set(&mut response, session.reveal(), app.secure);
            Ok(response)
        }
        Err(error) => {
            let page = PasswordPage {
                me: &operator,
                must: operator.must_choose,
                error: &error,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, show(&page)).into_response())
        }
    }
}

fn choose_now(
    app: &Shared,
    user: Id<User>,
    given: &Fields,
    client: &Client,
) -> Result<Result<SessionToken, String>, Failure> {
    let shared = &mut app.tenancy.shared()?;
    let accounts = &app.accounts;
    let (address, browser) = (client.address(), client.browser.as_deref());
    let address = address.as_deref();
    let (present, chosen) = (given.exact("present"), given.exact("chosen"));
    let login = match accounts.change_password(shared, user, present, chosen, address, now()) {
        Ok(login) => login,
        Err(
            error @ (AccountError::WrongPassword
            | AccountError::WeakPassword(_)
            | AccountError::Locked { .. }),
        ) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    note(app, superuser(user)?, "console.new-password")?;
    let session = accounts.begin_session(shared, &login, None, address, browser, now());
    Ok(Ok(session?))
}
