//! What nobody should send: through every form and address, it is refused in words and nothing is done.
use super::*;

/// Codes that are none.
fn codes() -> Vec<String> {
    let written = [
        "",
        " ",
        "\t",
        "\u{a0}",
        "A",
        "..",
        ".",
        ".hidden",
        "../TH001",
        "a/b",
        "a\\b",
        "%2e%2e",
        "a?mode=memory",
        "a#b",
        "a\0b",
        "a\nb",
        "a\r\nSet-Cookie: x",
        "a\u{1b}[31mb",
        "ｔｈ001",
        "tһ001",
        "é",
        "a\u{200b}b",
        "\u{202e}abc",
        "CON",
        "nul",
        "shared",
        "www",
        "pg_catalog",
        "sqlite_x",
        "1abc",
        "-abc",
        "--all",
        "a'; DROP TABLE users;--",
        "$(reboot)",
        "<script>alert(1)</script>",
        ":memory:",
        "file:x",
    ];
    let long = ["a".repeat(33), "a".repeat(4_096), "é".repeat(100_000)];
    written.map(str::to_owned).into_iter().chain(long).collect()
}

/// Subdomains that are none: the corpus' section B, as far as it is about labels.
fn subdomains() -> Vec<String> {
    let written = [
        ".",
        "a..b",
        "-a",
        "a-",
        "a_b",
        "xn--80ak6aa92e",
        "www",
        "admin",
        "api",
        "127.0.0.1",
        "[::1]",
        "a.example.com, b.example.com",
        "city-general.localhost:8000",
        "a b",
        "a\0b",
        "\u{202e}a",
        "médecin",
        "<b>",
        "../x",
    ];
    let long = ["a".repeat(64), "a".repeat(100_000)];
    written.map(str::to_owned).into_iter().chain(long).collect()
}

/// Display names that are none: section C.
fn names() -> Vec<String> {
    let written = [
        "",
        " ",
        "a\0b",
        "a\nb",
        "a\u{202e}b",
        "a\u{1b}b",
        "\u{2028}",
    ];
    let long = ["x".repeat(201), "x".repeat(10_000), "🏥".repeat(300)];
    written.map(str::to_owned).into_iter().chain(long).collect()
}

/// A refusal: the caller's fault, in words, and with nothing of what was sent taken for a page.
#[track_caller]
fn refused(answer: &Answer, what: &str) {
    let cut: String = what.escape_debug().take(60).collect();
    assert!(
        answer.status.is_client_error(),
        "{} for {cut}",
        answer.status
    );
    assert!(
        answer.body.len() < 4_000,
        "{cut}: {} bytes",
        answer.body.len()
    );
    answer
        .has("role=\"alert\"")
        .has_not("<script")
        .has_not("<b>");
    assert!(!answer.headers.contains_key(SET_COOKIE), "{cut}");
}

#[tokio::test]
async fn names_that_are_none_make_nothing() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    let head = || site.tenancy.audit_head().unwrap();
    let before = head();
    for code in codes() {
        let answer = site.post("/tenants", &[("id", &code), ("name", "x")]).await;
        refused(&answer, &code);
    }
    for subdomain in subdomains() {
        let fields = [("id", "SOUTH"), ("name", "x"), ("subdomain", &subdomain)];
        refused(&site.post("/tenants", &fields).await, &subdomain);
        refused(
            &site.post("/tenants/NORTH/rename", &fields[1..]).await,
            &subdomain,
        );
    }
    for name in names() {
        let fields = [("id", "SOUTH"), ("name", &*name)];
        refused(&site.post("/tenants", &fields).await, &name);
        refused(
            &site.post("/tenants/NORTH/rename", &fields[1..]).await,
            &name,
        );
    }
    assert_eq!(site.tenancy.tenants().unwrap().len(), 1);
    assert_eq!(head(), before, "nothing was even begun");

    // What is taken: those of another language, and those a spreadsheet would calculate with.
    for name in ["O'Brien & \"Söhne\" 医院 🏥", "=HYPERLINK(\"x\")", "x</h1>"] {
        site.act("/tenants/NORTH/rename", &[("name", name)])
            .await
            .has("Renamed");
        let record = site.tenancy.handle(&id).unwrap().record().unwrap();
        assert_eq!(record.display_name.as_str(), name);
        site.get("/tenants").await.has_not("x</h1>");
    }
    // Another's code or subdomain is told by the run, which did nothing.
    for code in ["north", "NORTH"] {
        let page = site.act("/tenants", &[("id", code), ("name", "x")]).await;
        page.has("icon bad").has("NORTH");
    }
    assert_eq!(site.tenancy.tenants().unwrap().len(), 1);
}

#[tokio::test]
async fn addresses_that_lead_nowhere() {
    let site = Site::logged_in().await;
    site.create("NORTH", "North");
    let long = "x".repeat(10_000);
    let paths = [
        "/tenants/%00",
        "/tenants/%FF",
        "/tenants/..%2F..%2Fetc",
        "/tenants/a%0d%0ab",
        "/tenants/%E2%80%AEabc",
        "/tenants/%3Cscript%3E",
        "/tenants/NOBODY",
        "/tenants/NOBODY/plan",
        "/tenants/%00/plan",
        "/runs/%00",
        "/runs/1",
        "/runs/1/events",
        "/fleet/%00",
        "/fleet/1/events",
        "/nowhere",
        "/tenants/NORTH/plan/x",
        "/upkeep/x",
        "/audit/x",
        &*format!("/tenants/{long}"),
        &*format!("/runs/{long}"),
    ];
    for path in paths {
        let answer = site.get(path).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        answer.has_not("<script").has_not(&long);
    }
    // What a page is asked for may be anything; the page is one all the same.
    let odd = [
        "",
        "-1",
        "0",
        "99999999999999999999999",
        "1e9",
        "%00",
        "%FF%FE",
        "%E2%80%AE",
        "'%20OR%201=1",
        "%3Cscript%3E",
        "..",
        &*long,
    ];
    for value in odd {
        for field in ["q", "status", "health", "page", "unheard-of"] {
            let answer = site
                .get(&format!("/tenants?{field}={value}&{field}=y"))
                .await;
            assert_eq!(answer.status, StatusCode::OK, "{field}={value:.40}");
            let answer = site.get(&format!("/tenants?{field}={value}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{field}={value:.40}");
            answer.has_not("<script>").has_not(&long);
        }
        for field in ["before", "tenant", "action", "actor", "from", "until"] {
            let answer = site.get(&format!("/audit?{field}={value}")).await;
            assert!(!answer.status.is_server_error(), "{field}={value:.40}");
            answer.has_not("<script>").has_not(&long);
        }
        let head = [("head", value)];
        let answer = site.post("/audit/verification", &head).await;
        assert!(!answer.status.is_server_error(), "{value:.40}");
        let answer = site
            .get(&format!(
                "/tenants/NORTH/plan?fill:{value}={value}&fill:a:b=1"
            ))
            .await;
        assert!(!answer.status.is_server_error(), "{value:.40}");
        answer.has_not("<script>");
    }
}

#[tokio::test]
async fn forms_that_are_none() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    let backup = site.tenancy.backup(&id, &BackupOptions::new()).unwrap();
    let backup = backup.id.to_string();
    let token = site.get("/tenants").await.token();
    let head = site.tenancy.audit_head().unwrap();
    let forms = [
        "/tenants",
        "/tenants/NORTH/suspend",
        "/tenants/NORTH/recreate",
        "/tenants/NORTH/purge",
        "/selected/verify",
        "/matching/migrate",
        "/upkeep/recover",
        "/password",
        "/logout",
        "/login",
    ];
    let whole = format!("token={token}&typed=NORTH&tenant=NORTH&id=SOUTH&name=South");
    let json = format!(r#"{{"token":"{token}","typed":"NORTH","id":"SOUTH","name":"x"}}"#);
    let huge = format!("{whole}&x={}", "y".repeat(3_000_000));
    let twice = format!("{whole}&token={token}");
    for path in forms {
        for (kind, body, status) in [
            (
                "application/json",
                json.clone(),
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            (
                "text/plain",
                whole.clone(),
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            (
                "multipart/form-data; boundary=x",
                whole.clone(),
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            ("", whole.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
            (
                "application/x-www-form-urlencoded",
                huge.clone(),
                StatusCode::PAYLOAD_TOO_LARGE,
            ),
            (
                "application/x-www-form-urlencoded",
                twice.clone(),
                StatusCode::BAD_REQUEST,
            ),
            (
                "application/x-www-form-urlencoded",
                String::new(),
                StatusCode::FORBIDDEN,
            ),
            (
                "application/x-www-form-urlencoded",
                "&&=&%%%=%ZZ".to_owned(),
                StatusCode::BAD_REQUEST,
            ),
            (
                "application/x-www-form-urlencoded",
                "token=%00%FF".to_owned(),
                StatusCode::FORBIDDEN,
            ),
        ] {
            let mut request =
                Request::post(format!("/ops/console{path}")).header(COOKIE, &site.cookies);
            if !kind.is_empty() {
                request = request.header(CONTENT_TYPE, kind);
            }
            let request = request.body(Body::from(body.clone())).unwrap();
            let response = site.app.clone().oneshot(request).await.unwrap();
            let found = response.status();
            let cut: String = body.chars().take(30).collect();
            // Both are right for what is no form at all: it cannot be read, and has no token.
            let fits = found == status || body.starts_with('&') && found == StatusCode::FORBIDDEN;
            assert!(fits, "{path} {kind} {cut}: {found}");
            let page = response.into_body().collect().await.unwrap().to_bytes();
            let page = String::from_utf8(page.to_vec()).unwrap();
            assert!(
                page.contains("role=\"alert\""),
                "{path} {kind} {cut}: {page}"
            );
        }
    }
    assert_eq!(
        site.tenancy.audit_head().unwrap(),
        head,
        "nothing was begun"
    );

    // A typed code has to be the code, as it is.
    let codes = [
        "",
        "north",
        "NORTH\0",
        "NORTH\u{200b}",
        "NORTHNORTH",
        "%4eORTH",
        "<script>",
        "*",
    ];
    let long = "NORTH".repeat(10_000);
    for typed in codes.into_iter().chain([&*long]) {
        for action in ["recreate", "restore", "undo", "discard", "purge", "delete"] {
            let fields = [("typed", typed), ("backup", &*backup), ("days", "0")];
            let page = site.act(&format!("/tenants/NORTH/{action}"), &fields).await;
            page.has("icon bad").has_not("<script>").has_not(&long);
        }
    }
    for (action, field, values) in [
        (
            "delete",
            "days",
            &["", "-1", "1.5", "36501", "99999999999", "x", "\0"][..],
        ),
        ("discard", "days", &["", "-1", "1.5", "36501", "x"]),
        (
            "quota",
            "mebibytes",
            &[
                "-1",
                "1.5",
                "x",
                "99999999999999999999",
                "18446744073709551615",
                "0",
            ],
        ),
        ("hold", "reason", &["", "\0", "\u{202e}", "a\nb"]),
        (
            "restore",
            "backup",
            &["", "x", "../x", "0190a0a0-0000-7000-8000-000000000000"],
        ),
    ] {
        for value in values {
            let fields = [(field, *value), ("typed", "NORTH")];
            let page = site.act(&format!("/tenants/NORTH/{action}"), &fields).await;
            page.has("icon bad");
        }
    }
    let record = site.tenancy.handle(&id).unwrap().record().unwrap();
    assert_eq!((record.status, record.generation), (Status::Active, 1));
    assert_eq!((record.quota, &record.legal_hold), (None, &None));
    for path in [
        "/tenants/NOBODY/suspend",
        "/tenants/%00/suspend",
        "/tenants/NORTH/%00",
    ] {
        let answer = site.post(path, &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    for tenant in ["", "..", "\0", "NORTH\u{202e}"] {
        let answer = site.post("/selected/verify", &[("tenant", tenant)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{tenant:?}");
    }
}

#[tokio::test]
async fn log_ins_that_are_none() {
    let mut site = Site::logged_in().await;
    let name = site.username.clone();
    let long = "x".repeat(100_000);
    for (username, password) in [
        ("", ""),
        (&*name, ""),
        ("", PASSWORD),
        (&*name, "\0"),
        ("\0", PASSWORD),
        (&*long, PASSWORD),
        (&*name, &*long),
        ("' OR 1=1 --", "' OR 1=1 --"),
        ("<script>", "<b>"),
        ("\u{202e}", "\u{202e}"),
    ] {
        site.username = username.to_owned();
        let answer = site.log_in(password).await;
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{username:.20} {password:.20}"
        );
        answer.has_not("<script>").has_not("<b>");
        assert_eq!(answer.cookie(), "");
    }
    let token = site.get("/password").await.token();
    for (present, chosen, again) in [
        ("", "", ""),
        ("\0", "\0", "\0"),
        (PASSWORD, "", ""),
        (PASSWORD, &*long, &*long),
    ] {
        let fields = [
            ("present", present),
            ("chosen", chosen),
            ("again", again),
            ("token", &*token),
        ];
        let fields = fields.map(|(name, value)| (name, value.to_owned()));
        let answer = site
            .ask(
                Method::POST,
                "/password",
                &site.cookies,
                Some(form(&fields)),
            )
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}
