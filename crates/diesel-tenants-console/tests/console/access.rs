//! Who gets in, and which forms count.
use super::*;

const PAGES: [&str; 9] = [
    "/tenants",
    "/tenants/NORTH",
    "/tenants/NORTH/plan",
    "/runs",
    "/audit",
    "/audit/verification",
    "/upkeep",
    "/upkeep/reclaim",
    "/password",
];

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_log_in() {
    let site = Site::open();
    let id = site.create("NORTH", "North");
    for path in PAGES {
        for cookies in [
            "",
            "__Host-tenants-console=nonsense",
            &format!("__Host-tenants-console={}", "a".repeat(64)),
        ] {
            let answer = site.ask(Method::GET, path, cookies, None).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
            assert_eq!(answer.location(), "/ops/console/login", "{path}");
            assert_eq!(answer.body, "");
        }
    }
    for path in ["/tenants/NORTH/suspend", "/selected/verify", "/logout"] {
        let answer = site
            .ask(Method::POST, path, "", Some("token=x".to_owned()))
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
    }
    assert_eq!(site.status(&id), Status::Active);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_told_the_same() {
    let mut site = Site::logged_in().await;
    let wrong = site.log_in("not the password").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    wrong.has("user name or password is wrong");
    assert_eq!(wrong.cookie(), "");
    let name = std::mem::replace(&mut site.username, "nobody".to_owned());
    let unknown = site.log_in("not the password").await;
    assert_eq!(
        unknown
            .body
            .replace("nobody", &name)
            .replace(&unknown.token(), ""),
        wrong.body.replace(&wrong.token(), "")
    );
}

#[tokio::test]
async fn somebody_who_is_no_superuser_stays_outside() {
    let mut site = Site::open();
    let accounts = Accounts::default();
    let shared = &mut site.tenancy.shared().unwrap();
    let new = NewAccount::new("Grace", "Hopper", "grace@example.org");
    let made = accounts.create(shared, &new, now()).unwrap();
    site.username = made.username;
    let answer = site.log_in(made.password.reveal()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    answer.has("does not run the service");
    // Nor with a session that was begun elsewhere.
    let (name, password) = (&site.username, made.password.reveal());
    let login = accounts
        .log_in(shared, name, password, None, now())
        .unwrap();
    let session = accounts.begin_session(shared, &login, None, None, None, now());
    site.cookies = format!("__Host-tenants-console={}", session.unwrap().reveal());
    for path in PAGES {
        assert_eq!(site.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn a_password_that_was_made_up_must_be_changed_first() {
    let mut site = Site::open();
    site.create("logout", "Log Out");
    let shared = &mut site.tenancy.shared().unwrap();
    let new = NewAccount::new("Ada", "Lovelace", "ada@example.org").superuser();
    let made = Accounts::default().create(shared, &new, now()).unwrap();
    site.username = made.username;
    let answer = site.log_in(made.password.reveal()).await;
    site.cookies = answer.cookie();
    // The way out is open, and nothing else that ends like it.
    for path in PAGES[..8]
        .iter()
        .chain(&["/tenants/logout", "/runs/logout"])
    {
        let answer = site.get(path).await;
        assert_eq!(answer.location(), "/ops/console/password", "{path}");
    }
    let page = site.get("/password").await;
    let change = async |present: &str, chosen: &str, again: &str| {
        let fields = [
            ("token", page.token()),
            ("present", present.to_owned()),
            ("chosen", chosen.to_owned()),
            ("again", again.to_owned()),
        ];
        site.ask(
            Method::POST,
            "/password",
            &site.cookies,
            Some(form(&fields)),
        )
        .await
    };
    let present = made.password.reveal();
    for (present, chosen, again, says) in [
        (present, PASSWORD, "another", "not the same"),
        ("wrong", PASSWORD, PASSWORD, "present password"),
        (present, "short", "short", "needs 12"),
    ] {
        let answer = change(present, chosen, again).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        answer.has(says);
    }
    let old = site.cookies.clone();
    let changed = change(present, PASSWORD, PASSWORD).await;
    assert_eq!(changed.location(), "/ops/console/tenants");
    site.cookies = changed.cookie();
    site.get("/tenants").await.has("Tenants");
    // The session that knew the old password is over.
    site.cookies = old;
    assert_eq!(site.get("/tenants").await.location(), "/ops/console/login");
    assert_eq!(entered(&site, "console.new-password"), 1);
}

/// How often it was entered into the audit log.
fn entered(site: &Site, action: &str) -> usize {
    let filter = diesel_tenants::audit::AuditFilter::all().action(action);
    site.tenancy.audit_entries(&filter, 100).unwrap().len()
}

#[tokio::test]
async fn a_form_without_the_sessions_token_does_nothing() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    let other = site.log_in(PASSWORD).await.cookie();
    let others = site
        .ask(Method::GET, "/tenants", &other, None)
        .await
        .token();
    let login = site.ask(Method::GET, "/login", "", None).await.token();
    for token in ["", "0", &"a".repeat(64), &others, &login] {
        for (path, fields) in [
            ("/tenants/NORTH/suspend", vec![]),
            ("/tenants/NORTH/back-up", vec![]),
            (
                "/tenants/NORTH/recreate",
                vec![("typed", "NORTH".to_owned())],
            ),
            ("/selected/back-up", vec![("tenant", "NORTH".to_owned())]),
            (
                "/tenants",
                vec![("id", "SOUTH".to_owned()), ("name", "South".to_owned())],
            ),
            ("/tenants/NORTH/purge", vec![("typed", "NORTH".to_owned())]),
            ("/matching/back-up", vec![]),
            ("/matching/migrate", vec![]),
            ("/runs/x/stop", vec![]),
            ("/fleet/x/stop", vec![]),
            ("/fleet/x/resume", vec![]),
            ("/upkeep/recover", vec![]),
            ("/upkeep/workflows/x/retry", vec![]),
            ("/upkeep/grants/x/close", vec![]),
            ("/upkeep/undead/x", vec![]),
            ("/upkeep/reclaim/x", vec![]),
            ("/password", vec![("present", PASSWORD.to_owned())]),
            ("/logout", vec![]),
        ] {
            let mut all = vec![("token", token.to_owned())];
            all.extend(fields);
            let answer = site
                .ask(Method::POST, path, &site.cookies, Some(form(&all)))
                .await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {token}");
        }
    }
    assert_eq!(site.status(&id), Status::Active);
    assert_eq!(site.generation(&id), 1);
    assert_eq!(site.tenancy.tenants().unwrap().len(), 1);
    assert!(
        site.tenancy
            .backups(&BackupFilter::all())
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        site.get("/tenants").await.status,
        StatusCode::OK,
        "still logged in"
    );
    // The log-in form is tied to its browser, too.
    let fields = [
        ("token", login),
        ("username", site.username.clone()),
        ("password", PASSWORD.to_owned()),
    ];
    let answer = site
        .ask(Method::POST, "/login", "", Some(form(&fields)))
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // Nor one whose token is of another visit's page: who it is sent by has seen that page, and not who sends it.
    let own = site.ask(Method::GET, "/login", "", None).await;
    let answer = site
        .ask(Method::POST, "/login", &own.cookie(), Some(form(&fields)))
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_a_browser_says_comes_from_elsewhere_is_refused_even_with_the_token() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    let token = site.get("/tenants").await.token();
    for (from, status) in [
        ("cross-site", StatusCode::FORBIDDEN),
        ("same-site", StatusCode::FORBIDDEN),
        ("same-origin", StatusCode::SEE_OTHER),
    ] {
        let request = Request::post("/ops/console/tenants/NORTH/suspend")
            .header(COOKIE, &site.cookies)
            .header("sec-fetch-site", from)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("token={token}")))
            .unwrap();
        let response = site.app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{from}");
        let done = site.status(&id) == Status::Suspended;
        assert_eq!(done, status == StatusCode::SEE_OTHER, "{from}");
    }
}

#[tokio::test]
async fn asking_changes_nothing() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    for action in ["suspend", "back-up", "verify", "recreate", "restore"] {
        let answer = site
            .get(&format!("/tenants/NORTH/{action}?typed=NORTH"))
            .await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{action}");
    }
    site.get("/tenants/NORTH/plan")
        .await
        .has("nothing to repair");
    assert_eq!(site.status(&id), Status::Active);
    assert_eq!(site.tenancy.health(&id).unwrap(), None);
}

#[tokio::test]
async fn every_answer_has_the_headers() {
    let site = Site::logged_in().await;
    for path in [
        "/tenants",
        "/login",
        "/nowhere",
        "/console.css",
        "/console.js",
        "/runs",
        "",
    ] {
        let answer = site.get(path).await;
        let header = |name: &str| {
            answer
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        let policy = header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'")
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(header("referrer-policy"), Some("same-origin"), "{path}");
        let cached = path.starts_with("/console.");
        assert_eq!(
            header("cache-control") == Some("no-store"),
            !cached,
            "{path}"
        );
        // What the policy would block is not there to begin with.
        answer
            .has_not(" style=")
            .has_not("<style")
            .has_not(" onclick=");
    }
    let cookie = site.log_in(PASSWORD).await;
    let set = cookie.headers.get(SET_COOKIE).unwrap().to_str().unwrap();
    for part in [
        "__Host-tenants-console=",
        "; Path=/",
        "; HttpOnly",
        "; SameSite=Strict",
        "; Secure",
    ] {
        assert!(set.contains(part), "{part}");
    }
}

#[tokio::test]
async fn a_session_whose_time_is_over_opens_nothing() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    let token = site.get("/tenants").await.token();
    use diesel_tenants::models::schema::shared::sessions;
    let shared = &mut site.tenancy.shared().unwrap();
    diesel::update(sessions::table)
        .set(sessions::expires_at.eq(now()))
        .execute(shared)
        .unwrap();
    for path in PAGES {
        assert_eq!(
            site.get(path).await.location(),
            "/ops/console/login",
            "{path}"
        );
    }
    let body = Some(format!("token={token}"));
    let answer = site
        .ask(Method::POST, "/tenants/NORTH/suspend", &site.cookies, body)
        .await;
    assert_eq!(answer.location(), "/ops/console/login");
    assert_eq!(site.status(&id), Status::Active);
}

#[tokio::test]
async fn logging_out_ends_the_session() {
    let site = Site::logged_in().await;
    let answer = site.post("/logout", &[]).await;
    assert_eq!(answer.location(), "/ops/console/login");
    assert_eq!(site.get("/tenants").await.location(), "/ops/console/login");
    assert_eq!(entered(&site, "console.log-out"), 1);
}

#[tokio::test]
async fn a_superuser_who_is_one_no_more_is_out_at_the_next_request() {
    let site = Site::logged_in().await;
    site.create("NORTH", "North");
    let token = site.get("/tenants").await.token();
    let shared = &mut site.tenancy.shared().unwrap();
    use diesel_tenants::models::schema::shared::users;
    diesel::update(users::table)
        .set(users::superuser.eq(false))
        .execute(shared)
        .unwrap();
    assert_eq!(site.get("/tenants").await.status, StatusCode::FORBIDDEN);
    let body = format!("token={token}");
    let answer = site
        .ask(
            Method::POST,
            "/tenants/NORTH/suspend",
            &site.cookies,
            Some(body),
        )
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(site.status(&"NORTH".parse().unwrap()), Status::Active);
}

#[tokio::test]
async fn it_answers_at_its_own_hosts_only() {
    let site = Site::open();
    let console = Console::new(site.tenancy.clone());
    // Which from a list that is read somewhere would be every host.
    let nowhere = console.clone().hosts(Vec::<String>::new());
    assert_eq!(nowhere.unwrap_err(), HostsError::None);
    let console = console.hosts(["Admin.Example.com", "localhost"]).unwrap();
    let app = Router::new().nest("/ops/console", console.router());
    let ask = async |target: &str, hosts: &[&str]| {
        let mut request = Request::get(target);
        for host in hosts {
            request = request.header("host", *host);
        }
        let request = request.body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };
    let login = "/ops/console/login";
    for host in [
        "admin.example.com",
        "ADMIN.example.com.:8443",
        "localhost:80",
    ] {
        assert_eq!(ask(login, &[host]).await.status(), StatusCode::OK, "{host}");
    }
    for (target, hosts) in [
        (login, &["north.example.com"][..]),
        (login, &["north.localhost:80"]),
        (login, &["admin.example.com.evil.example"]),
        (login, &["localhost:x"]),
        (login, &[""]),
        (login, &[]),
        (login, &["localhost", "north.localhost"]),
        ("http://north.localhost/ops/console/login", &["localhost"]),
        ("/ops/console/console.css", &["north.localhost"]),
    ] {
        let answer = ask(target, hosts).await;
        assert_eq!(
            answer.status(),
            StatusCode::MISDIRECTED_REQUEST,
            "{target} {hosts:?}"
        );
        assert!(answer.headers().contains_key("content-security-policy"));
        assert!(!answer.headers().contains_key(SET_COOKIE));
    }
    let target = "http://localhost/ops/console/login";
    assert_eq!(ask(target, &["localhost"]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_goes_wrong_inside_is_told_to_nobody_who_is_not_logged_in() {
    let site = Site::logged_in().await;
    let mut shared = site.tenancy.shared().unwrap();
    shared
        .unrouted("a hand that slipped", |raw| {
            diesel::sql_query("ALTER TABLE users RENAME TO CANARY_users").execute(raw)
        })
        .unwrap();
    drop(shared);
    let cookie = format!("__Host-tenants-console={}", "a".repeat(64));
    let page = site.ask(Method::GET, "/tenants", &cookie, None).await;
    let login = site.log_in(PASSWORD).await;
    for answer in [page, login] {
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        answer.has("That did not work");
        for word in ["users", "CANARY", "no such table", "database"] {
            answer.has_not(word);
        }
    }
}

#[tokio::test]
async fn who_watches_a_run_sees_no_more_of_it_once_logged_out() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    // A run that waits, for as long as the tenant is open elsewhere.
    let held = site.tenancy.tenant(&id).unwrap();
    let answer = site.post("/tenants/NORTH/compact", &[]).await;
    let token = site.get("/tenants").await.token();
    let request = Request::get(format!("{}/events", answer.location()));
    let request = request.header(COOKIE, &site.cookies).body(Body::empty());
    let watched = site.app.clone().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(watched.status(), StatusCode::OK);
    let mut events = watched.into_body();
    let first = events.frame().await.unwrap().unwrap().into_data().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    assert!(first.contains("event: progress"), "{first}");
    let fields = Some(form(&[("token", token)]));
    let out = site
        .ask(Method::POST, "/logout", &site.cookies, fields)
        .await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    drop(held);
    // Its end is not told any more.
    assert!(events.frame().await.is_none());
}
