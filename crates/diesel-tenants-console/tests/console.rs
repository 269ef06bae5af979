//! The console as a browser sees it, without a browser: what it shows, what it does, and what it refuses.
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use diesel_tenants::access::Principal;
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{Accounts, NewAccount};
use diesel_tenants::services::now;
use diesel_tenants::verify::{Health, VerifyOptions};
use diesel_tenants::{BackupFilter, BackupOptions, Builder, OpenError, Sqlite};
use diesel_tenants_console::{Console, HostsError};
use http_body_util::BodyExt;
use tower::ServiceExt;

#[path = "console/access.rs"]
mod access;
#[path = "console/actions.rs"]
mod actions;
#[path = "console/audit.rs"]
mod audit;
#[path = "console/bad.rs"]
mod bad;
#[path = "console/bulk.rs"]
mod bulk;
#[path = "console/busy.rs"]
mod busy;
#[path = "console/list.rs"]
mod list;
#[path = "console/logged.rs"]
mod logged;
#[path = "console/looks.rs"]
mod looks;
#[path = "console/upkeep.rs"]
mod upkeep;

const PASSWORD: &str = "correct-horse-battery-staple";

/// A service with a console, and who sits in front of it.
struct Site {
    app: Router,
    tenancy: Tenancy,
    username: String,
    cookies: String,
    _dir: tempfile::TempDir,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn location(&self) -> &str {
        self.headers
            .get(LOCATION)
            .map_or("", |to| to.to_str().unwrap())
    }

    fn cookie(&self) -> String {
        let set = self.headers.get_all(SET_COOKIE).iter();
        let pairs = set.map(|line| line.to_str().unwrap().split(';').next().unwrap());
        // One with nothing in it is one that goes away.
        let there = pairs.filter(|pair| !pair.ends_with('='));
        there.collect::<Vec<_>>().join("; ")
    }

    /// The token in the first form of the page.
    fn token(&self) -> String {
        let (_, rest) = self
            .body
            .split_once(r#"name="token" value=""#)
            .expect("no form");
        rest.split('"').next().unwrap().to_owned()
    }

    #[track_caller]
    fn has(&self, text: &str) -> &Self {
        assert!(self.body.contains(text), "no {text:?} in {}", self.body);
        self
    }

    #[track_caller]
    fn has_not(&self, text: &str) -> &Self {
        assert!(!self.body.contains(text), "{text:?} in {}", self.body);
        self
    }
}

type Setup = Builder<SqliteConnection, Sqlite>;

fn builder(dir: &std::path::Path) -> Setup {
    Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(dir.join("data"))
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .freshness(Duration::ZERO)
}

impl Site {
    fn open() -> Self {
        Self::open_with(|builder| builder)
    }

    fn open_with(with: impl FnOnce(Setup) -> Setup) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let builder = with(builder(dir.path()));
        Self::of(builder, dir, String::new(), String::new())
    }

    fn of(builder: Setup, dir: tempfile::TempDir, username: String, cookies: String) -> Self {
        let tenancy = builder.open().unwrap();
        let app = Router::new().nest("/ops/console", Console::new(tenancy.clone()).router());
        Self {
            app,
            tenancy,
            username,
            cookies,
            _dir: dir,
        }
    }

    /// With a superuser who is logged in and has chosen a password.
    async fn logged_in() -> Self {
        let mut site = Self::open();
        site.let_in().await;
        site
    }

    /// Makes a superuser and logs them in.
    async fn let_in(&mut self) {
        let site = self;
        let shared = &mut site.tenancy.shared().unwrap();
        let new = NewAccount::new("Ada", "Lovelace", "ada@example.org").superuser();
        let accounts = Accounts::default();
        let made = accounts.create(shared, &new, now()).unwrap();
        accounts
            .change_password(
                shared,
                made.user,
                made.password.reveal(),
                PASSWORD,
                None,
                now(),
            )
            .unwrap();
        site.username = made.username;
        let answer = site.log_in(PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        site.cookies = answer.cookie();
    }

    async fn log_in(&self, password: &str) -> Answer {
        let page = self.ask(Method::GET, "/login", "", None).await;
        let fields = [
            ("token", page.token()),
            ("username", self.username.clone()),
            ("password", password.to_owned()),
        ];
        let body = form(&fields);
        self.ask(Method::POST, "/login", &page.cookie(), Some(body))
            .await
    }

    async fn ask(&self, method: Method, path: &str, cookies: &str, body: Option<String>) -> Answer {
        // Places the console leads to have its mount in them, others do not.
        let path = path.strip_prefix("/ops/console").unwrap_or(path);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/ops/console{path}"));
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        let request = match body {
            Some(body) => request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(body)),
            None => request.body(Body::empty()),
        };
        let response = self.app.clone().oneshot(request.unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let is = |name, value: &str| {
            let found = parts.headers.get(name);
            found.is_some_and(|found| found.to_str().unwrap().contains(value))
        };
        // On every page, whatever a test asks for it.
        if is(CONTENT_TYPE, "text/html") {
            for rule in ["default-src 'none'", "frame-ancestors 'none'"] {
                assert!(is(CONTENT_SECURITY_POLICY, rule), "{path}: {rule}");
            }
        }
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &self.cookies, None).await
    }

    /// Posts a form with the session's token.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.get("/tenants").await.token();
        let mut all = vec![("token", token)];
        all.extend(
            fields
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        self.ask(Method::POST, path, &self.cookies, Some(form(&all)))
            .await
    }

    /// Does something and follows to what became of it.
    async fn act(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        // An action that takes longer than the redirect waits for is asked about again.
        loop {
            let page = self.get(answer.location()).await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.body);
            if !page.body.contains("data-events") {
                return page;
            }
            self.get(&format!("{}/events", answer.location())).await;
        }
    }

    fn create(&self, id: &str, name: &str) -> TenantId {
        let id: TenantId = id.parse().unwrap();
        self.tenancy.create(&id, NewTenant::named(name)).unwrap();
        id
    }

    fn status(&self, id: &TenantId) -> Status {
        self.tenancy.handle(id).unwrap().record().unwrap().status
    }

    fn generation(&self, id: &TenantId) -> u64 {
        let record = self.tenancy.handle(id).unwrap().record().unwrap();
        record.generation
    }

    fn drop_column(&self, id: &TenantId) {
        let mut ctx = self.tenancy.tenant(id).unwrap();
        ctx.unrouted("a hand that slipped", |raw| {
            diesel::sql_query("ALTER TABLE pharmacy_sales DROP COLUMN customer_phone")
                .execute(raw)
                .map(drop)
        })
        .unwrap();
    }
}

fn form(fields: &[(&str, String)]) -> String {
    let encode = |text: &str| -> String {
        let bytes = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        bytes.collect()
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}
