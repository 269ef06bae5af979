//! Service and console in a real browser, from the log-in to the repair, with pictures under
//! `target/console-screenshots`. Needs `chromium` and `chromedriver`; without them it says so and passes, unless
//! `DIESEL_TENANTS_NO_SKIP` is set.
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel_tenants::prelude::*;
use diesel_tenants::verify::{Health, VerifyOptions};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hospital_service::{demo, open, service};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long the browser may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a driver takes for these keys.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const CHOSEN: &str = "correct-horse-battery-staple";

/// The driver, ended when the test ends.
struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    /// Starts it on a port of its own choice; `None` where there is no driver or no browser.
    fn start() -> Result<Option<Self>> {
        let there = |program| {
            let asked = Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            asked.is_ok_and(|status| status.success())
        };
        if !there("chromedriver") || !there("chromium") {
            return Ok(None);
        }
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().ok_or("no output")?);
        for line in said.lines() {
            let line = line?;
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let port = port.trim_end_matches('.').parse()?;
                return Ok(Some(Self { child, port }));
            }
        }
        Err("the driver does not say where it listens".into())
    }

    async fn browser(&self, profile: &std::path::Path) -> Result<Browser> {
        let profile = format!("--user-data-dir={}", profile.display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1280,1000",
            &profile,
        ];
        let options = json!({ "args": arguments, "binary": "/usr/bin/chromium" });
        let mut wanted = serde_json::Map::new();
        wanted.insert("goog:chromeOptions".to_owned(), options);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await?;
        Ok(Browser(client))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of the browser's own beside the standard's.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> std::result::Result<url::Url, url::ParseError> {
        base.join(&format!(
            "session/{}/goog/cdp/execute",
            session.unwrap_or_default()
        ))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        let body = json!({ "cmd": self.0, "params": self.1 });
        (http::Method::POST, Some(body.to_string()))
    }
}

struct Browser(Client);

impl Browser {
    /// Waits for what is there or will be.
    async fn find(&self, css: &str) -> Result<fantoccini::elements::Element> {
        let wait = self.0.wait().at_most(PATIENCE);
        let found = wait.for_element(Locator::Css(css)).await;
        found.map_err(|error| format!("{css}: {error}").into())
    }

    async fn fill(&self, css: &str, text: &str) -> Result<()> {
        let field = self.find(css).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    async fn click(&self, css: &str) -> Result<()> {
        Ok(self.find(css).await?.click().await?)
    }

    /// Presses the button that says this.
    async fn press(&self, label: &str) -> Result<()> {
        let path =
            format!("//button[normalize-space()='{label}'] | //a[normalize-space()='{label}']");
        let wait = self.0.wait().at_most(PATIENCE);
        let button = wait.for_element(Locator::XPath(&path)).await;
        let button = button.map_err(|error| format!("{label}: {error}"))?;
        Ok(button.click().await?)
    }

    /// Waits until an element says this.
    async fn says(&self, css: &str, text: &str) -> Result<()> {
        let path = format!("//*[contains(normalize-space(), {})]", quoted(text));
        let wait = self.0.wait().at_most(PATIENCE);
        let there = wait.for_element(Locator::XPath(&path)).await;
        there.map_err(|error| format!("{text}: {error}"))?;
        let shown = self.find(css).await?.text().await?;
        assert!(shown.contains(text), "{css} does not say {text:?}: {shown}");
        Ok(())
    }

    /// Presses Tab until what has the focus says this, or is called this.
    async fn tab_to(&self, label: &str) -> Result<()> {
        const THERE: &str = "const it = document.activeElement; \
                             return [it.innerText.trim(), it.name].includes(arguments[0])";
        for _ in 0..80 {
            self.keys(TAB).await?;
            if self.0.execute(THERE, vec![json!(label)]).await? == Value::Bool(true) {
                return Ok(());
            }
        }
        Err(format!("the keyboard does not get to {label}").into())
    }

    /// Presses keys, wherever the focus is.
    async fn keys(&self, keys: &str) -> Result<()> {
        Ok(self.0.active_element().await?.send_keys(keys).await?)
    }

    async fn own(&self, command: &'static str, parameters: Value) -> Result<()> {
        self.0.issue_cmd(Own(command, parameters)).await?;
        Ok(())
    }

    async fn picture(&self, name: &str) -> Result<()> {
        let directory =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/console-screenshots");
        std::fs::create_dir_all(&directory)?;
        let picture = self.0.screenshot().await?;
        Ok(std::fs::write(
            directory.join(format!("{name}.png")),
            picture,
        )?)
    }
}

fn quoted(text: &str) -> String {
    assert!(!text.contains('"'));
    format!("\"{text}\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_log_in_to_the_repair() -> Result<()> {
    let Some(driver) = Driver::start()? else {
        assert!(
            std::env::var_os("DIESEL_TENANTS_NO_SKIP").is_none(),
            "chromium and chromedriver are not installed"
        );
        // The harness keeps what `eprintln!` says of a passing test to itself; this it does not.
        let skipped =
            "SKIPPED: the browser tests; install chromium and chromium-driver to run them\n";
        std::io::stderr().write_all(skipped.as_bytes())?;
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let tenancy = open(&dir.path().join("data"))?;
    let logins = demo::fill(&tenancy)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let app = service(tenancy.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let at = |host: &str, path: &str| format!("http://{host}:{port}{path}");

    let browser = driver.browser(&dir.path().join("profile")).await?;
    let shared = dir.path().join("data/shared.sqlite3");
    let outcome = walk(&browser, &tenancy, &shared, &logins[0], at).await;
    if outcome.is_err() {
        browser.picture("failed").await?;
        eprintln!("{}", browser.0.current_url().await?);
    }
    browser.0.clone().close().await?;
    server.abort();
    outcome
}

async fn walk(
    browser: &Browser,
    tenancy: &Tenancy,
    shared: &Path,
    operator: &demo::FirstLogin,
    at: impl Fn(&str, &str) -> String,
) -> Result<()> {
    // The console wants a log-in, and the password that was made up changed.
    browser.0.goto(&at("localhost", "/console")).await?;
    browser.fill("#username", &operator.username).await?;
    browser.fill("#password", "a wrong one").await?;
    browser.press("Log in").await?;
    browser
        .says("[role=alert]", "user name or password is wrong")
        .await?;
    browser.picture("01-login-refused").await?;
    browser
        .fill("#password", operator.password.reveal())
        .await?;
    browser.press("Log in").await?;
    browser.fill("#present", operator.password.reveal()).await?;
    browser.fill("#chosen", CHOSEN).await?;
    browser.fill("#again", CHOSEN).await?;
    browser.picture("02-password").await?;
    browser.press("Change the password").await?;
    browser.says("#count", "3 of 3 tenants").await?;

    // A hospital registers itself, and its owner sees its pages.
    browser.0.goto(&at("localhost", "/register")).await?;
    for (field, value) in [
        ("#code", "CITY001"),
        ("#name", "City <b>General</b> & Sons"),
        ("#subdomain", "city"),
        ("#given_name", "Cora"),
        ("#family_name", "Cityman"),
        ("#email", "cora@city.example"),
    ] {
        browser.fill(field, value).await?;
    }
    browser.picture("03-register").await?;
    browser.press("Register").await?;
    browser.says("h1", "CITY001 is registered").await?;
    let username = browser.find("#username").await?.text().await?;
    let password = browser.find("#password").await?.text().await?;
    browser.0.goto(&at("city.localhost", "/patients/")).await?;
    browser.fill("#username", &username).await?;
    browser.fill("#password", &password).await?;
    browser.press("Log in").await?;
    browser.fill("#chosen", "plum-lantern-orbit-cactus").await?;
    browser.fill("#password", &password).await?;
    browser.press("Log in").await?;
    browser.press("doctors").await?;
    browser.says("h1", "doctors").await?;
    // This session opens nothing at another hospital.
    browser
        .0
        .goto(&at("dmc001.localhost", "/patients/"))
        .await?;
    browser.says("h1", "DMC001").await?;
    browser.find("#username").await?;

    // The console shows it ready.
    browser
        .0
        .goto(&at("localhost", "/console/tenants?q=city"))
        .await?;
    browser.says("tbody tr", "CITY001").await?;
    browser
        .says("tbody tr", "City <b>General</b> & Sons")
        .await?;
    browser.says("tbody tr", "Ready").await?;
    browser.picture("04-list-ready").await?;

    // Somebody's hand slips; the console names the column, from the list and on the page, with the script and without.
    let id: TenantId = "CITY001".parse()?;
    let mut ctx = tenancy.tenant(&id)?;
    ctx.unrouted("a hand that slipped", |raw| {
        diesel::sql_query("ALTER TABLE pharmacy_sales DROP COLUMN customer_phone")
            .execute(raw)
            .map(drop)
    })?;
    drop(ctx);
    browser.click("tbody a[href$='/tenants/CITY001']").await?;
    browser.press("Verify").await?;
    browser.says(".outcome", "Incomplete").await?;
    browser.says(".results", "customer_phone").await?;
    browser.picture("05-incomplete").await?;
    browser
        .own(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": true }),
        )
        .await?;
    browser
        .0
        .goto(&at("localhost", "/console/tenants/CITY001"))
        .await?;
    browser.says("#health", "Incomplete").await?;
    browser.press("Verify").await?;
    browser.says(".results", "customer_phone").await?;
    browser
        .own(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": false }),
        )
        .await?;
    let found = tenancy.verify(&id, &VerifyOptions::default())?;
    assert_eq!(found.status, Health::Incomplete, "{found}");

    // The plan first, then the repair.
    browser
        .0
        .goto(&at("localhost", "/console/tenants/CITY001"))
        .await?;
    browser.picture("06-detail-incomplete").await?;
    browser.press("Plan a repair").await?;
    browser.says(".plan", "customer_phone").await?;
    browser.picture("07-plan").await?;
    browser.press("Repair as planned").await?;
    browser.says(".outcome", "the database is Ready").await?;
    browser.picture("08-repaired").await?;
    assert!(tenancy.verify(&id, &VerifyOptions::default())?.is_ready());

    // Recreating wants the code typed.
    browser
        .0
        .goto(&at("localhost", "/console/tenants/CITY001"))
        .await?;
    browser.says("#health", "Ready").await?;
    browser.click("#danger + details summary").await?;
    browser.press("Recreate").await?;
    let wanted = browser.find("#typed-recreate:invalid").await;
    assert!(wanted.is_ok(), "an empty field is not sent");
    browser.fill("#typed-recreate", "city001").await?;
    browser.picture("09-recreate").await?;
    browser.press("Recreate").await?;
    browser.says(".outcome", "CITY001").await?;
    browser.find(".outcome .icon.bad").await?;
    browser.picture("10-recreate-refused").await?;
    assert_eq!(tenancy.handle(&id)?.record()?.generation, 1);

    // Many at once, as they go on.
    browser.0.goto(&at("localhost", "/console/tenants")).await?;
    browser.click("#all").await?;
    browser.press("Back up").await?;
    browser.says("#progress", "4 of 4 done").await?;
    browser.picture("11-back-up-all").await?;

    // The log names the person, and is whole; what is due and unfinished has a page; a migration finds nothing to do.
    browser.0.goto(&at("localhost", "/console/audit")).await?;
    browser.says("tbody", &operator.username).await?;
    browser.picture("15-audit").await?;
    browser.press("Verify the log").await?;
    browser
        .says("#verified", "The chain is whole up to entry")
        .await?;
    browser.picture("16-audit-verified").await?;
    browser.0.goto(&at("localhost", "/console/upkeep")).await?;
    browser.says("#quiet", "Nothing is unfinished").await?;
    browser.picture("17-upkeep").await?;
    browser.0.goto(&at("localhost", "/console/tenants")).await?;
    browser.press("Migrate all").await?;
    // Of the one that was repaired the ledger is read once more.
    browser.says("#progress", "1 of 1 done").await?;
    browser.0.goto(&at("localhost", "/console/tenants")).await?;
    browser.press("Migrate all").await?;
    browser.says("[role=status]", "nothing to migrate").await?;
    browser.picture("18-runs").await?;
    // The first thing the keyboard reaches is the way past the navigation, and it is seen.
    let shown = "document.querySelector('.skip').focus(); \
                 return document.querySelector('.skip').getBoundingClientRect().left >= 0 \
                     && getComputedStyle(document.activeElement).outlineStyle !== 'none'";
    assert_eq!(browser.0.execute(shown, vec![]).await?, Value::Bool(true));
    browser
        .0
        .goto(&at("localhost", "/console/tenants/NOBODY"))
        .await?;
    browser.says("[role=alert]", "no such page").await?;
    browser.picture("19-not-found").await?;
    browser
        .0
        .goto(&at("localhost", "/console/tenants/CITY001"))
        .await?;
    browser
        .own(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] }),
        )
        .await?;
    browser.find("#backups").await?;
    browser.picture("12-detail-dark").await?;
    browser.0.goto(&at("localhost", "/console/tenants")).await?;
    browser.says("#count", "4 of 4").await?;
    browser.picture("13-list-dark").await?;
    browser.0.set_window_size(420, 900).await?;
    browser.picture("14-list-narrow").await?;
    // Nothing but tables and code is wider than the window, and those scroll by themselves.
    for (path, name) in [
        ("/console/tenants/CITY001", "20-detail-narrow"),
        ("/console/audit", "21-audit-narrow"),
        ("/console/upkeep", "22-upkeep-narrow"),
        ("/console/tenants", "23-list-narrow"),
    ] {
        browser.0.goto(&at("localhost", path)).await?;
        browser.find("main").await?;
        browser.picture(name).await?;
        let fits =
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        let fits = browser.0.execute(fits, vec![]).await?;
        assert_eq!(fits, Value::Bool(true), "{path} is too wide");
    }
    browser.0.set_window_size(1280, 1000).await?;
    live(browser, shared, &at).await?;
    by_keyboard(browser, &at).await?;
    browser.press("Log out").await?;
    browser.says("h1", "Log in").await?;
    browser.0.goto(&at("localhost", "/console/runs")).await?;
    browser.says("h1", "Log in").await
}

/// What is done to many is seen as it goes on, on the page that was there before.
async fn live(browser: &Browser, shared: &Path, at: &impl Fn(&str, &str) -> String) -> Result<()> {
    // None of it is done while somebody else writes to the catalogue.
    let mut other = SqliteConnection::establish(shared.to_str().ok_or("no UTF-8")?)?;
    browser.0.goto(&at("localhost", "/console/tenants")).await?;
    browser.click("#all").await?;
    other.batch_execute("BEGIN IMMEDIATE")?;
    browser.press("Verify").await?;
    browser
        .says("#progress[data-events]", "0 of 4 done")
        .await?;
    browser.0.execute("window.stillHere = true", vec![]).await?;
    other.batch_execute("ROLLBACK")?;
    browser.says("#progress", "4 of 4 done").await?;
    let same = browser
        .0
        .execute("return window.stillHere === true", vec![]);
    assert_eq!(same.await?, Value::Bool(true), "the page was loaded anew");
    browser.picture("24-live").await
}

/// From the list to a backup, with no mouse.
async fn by_keyboard(browser: &Browser, at: &impl Fn(&str, &str) -> String) -> Result<()> {
    browser.0.goto(&at("localhost", "/console/tenants")).await?;
    browser.find("main").await?;
    browser.tab_to("q").await?;
    browser.keys("CITY001").await?;
    browser.keys(ENTER).await?;
    browser.says("#count", "1 of 4").await?;
    browser.tab_to("CITY001").await?;
    browser.keys(ENTER).await?;
    browser.says("#health", "Ready").await?;
    browser.tab_to("Back up").await?;
    browser.picture("25-keyboard").await?;
    browser.keys(ENTER).await?;
    browser.says(".outcome", "Backed up").await
}
