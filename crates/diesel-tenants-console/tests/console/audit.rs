//! Whom the audit log names, and how it is read.
use diesel_tenants::audit::{AuditEntry, AuditFilter, AuditNote, AuditPolicy};
use diesel_tenants::models::schema::shared::users;
use diesel_tenants::models::shared::accounts::User;

use super::*;

fn raw(site: &Site, sql: &str) {
    let shared = &mut site.tenancy.shared().unwrap();
    shared
        .unrouted("a hand in the log", |raw| {
            let mut statements = sql.split(";;");
            statements.try_for_each(|sql| diesel::sql_query(sql).execute(raw).map(drop))
        })
        .unwrap();
}

fn after(site: &Site, seq: u64) -> Vec<AuditEntry> {
    let filter = AuditFilter::all().after(seq);
    site.tenancy.audit_entries(&filter, 1_000).unwrap()
}

#[tokio::test]
async fn every_action_names_the_person_who_did_it() {
    let site = Site::logged_in().await;
    let id: diesel_tenants::id::Id<User> = users::table
        .select(users::id)
        .first(&mut site.tenancy.shared().unwrap())
        .unwrap();
    let me = format!("user:{id}");
    let log_in = after(&site, 0);
    let log_in = log_in
        .iter()
        .find(|e| e.action == "console.log-in")
        .unwrap();
    assert_eq!((&*log_in.actor, &*log_in.actor_kind), (&*me, "user"));
    let mut seen = site.tenancy.audit_head().unwrap().seq;
    let north: TenantId = "NORTH".parse().unwrap();
    let confirmed = ("typed", "NORTH");
    let names = [("id", "NORTH"), ("name", "North"), ("subdomain", "north")];
    let backup = |site: &Site| {
        let backups = site.tenancy.backups(&BackupFilter::tenant(&north));
        backups.unwrap()[0].id.to_string()
    };
    // What is done, and whether the catalogue changes with it.
    let mut actions = 0;
    for (path, fields, changes) in [
        ("/tenants", &names[..], true),
        ("/tenants/NORTH/verify", &[], false),
        ("/selected/verify", &[("tenant", "NORTH")], false),
        ("/matching/verify", &[("q", "north")], false),
        ("/tenants/NORTH/migrate", &[], false),
        ("/tenants/NORTH/suspend", &[], true),
        ("/tenants/NORTH/resume", &[], true),
        ("/tenants/NORTH/rename", &[("name", "Polar")], true),
        ("/tenants/NORTH/quota", &[("mebibytes", "64")], true),
        ("/tenants/NORTH/back-up", &[], true),
        ("/selected/back-up", &[("tenant", "NORTH")], true),
        ("/matching/back-up", &[("q", "north")], true),
        ("/tenants/NORTH/restore", &[confirmed], true),
        ("/tenants/NORTH/undo", &[confirmed], true),
        ("/tenants/NORTH/compact", &[], true),
        ("/tenants/NORTH/recreate", &[confirmed], true),
        ("/tenants/NORTH/discard", &[confirmed, ("days", "0")], true),
        ("/tenants/NORTH/hold", &[("reason", "a court")], true),
        ("/tenants/NORTH/release", &[], true),
        ("/tenants/NORTH/suspend", &[], true),
        ("/tenants/NORTH/archive", &[], true),
        ("/tenants/NORTH/unarchive", &[], true),
        ("/tenants/NORTH/archive", &[], true),
        ("/tenants/NORTH/delete", &[confirmed, ("days", "9")], true),
        ("/tenants/NORTH/undelete", &[], true),
        ("/tenants/NORTH/delete", &[confirmed, ("days", "0")], true),
        ("/tenants/NORTH/purge", &[confirmed], true),
        ("/upkeep/recover", &[], false),
    ] {
        let chosen;
        let mut fields = fields.to_vec();
        if path.ends_with("/restore") {
            chosen = backup(&site);
            fields.push(("backup", &chosen));
        }
        let page = site.act(path, &fields).await;
        page.has_not("icon bad");
        let entries = after(&site, seen);
        if changes {
            assert!(!entries.is_empty(), "{path} left no entry");
        }
        for entry in &entries {
            let who = (&*entry.actor, &*entry.actor_kind, entry.role.as_deref());
            assert_eq!(who, (&*me, "user", Some("superuser")), "{path}: {entry:?}");
            seen = entry.seq;
        }
        actions += entries.len();
    }
    assert!(actions > 30, "{actions}");
    // A name, on the page, rather than a number.
    let page = site.get("/audit").await;
    page.has(&format!("{}</span>", site.username)).has("purge");
    site.post("/audit/verification", &[])
        .await
        .has("The chain is whole");
}

#[tokio::test]
async fn entries_are_filtered_and_paged() {
    let site = Site::logged_in().await;
    site.create("NORTH", "North");
    site.create("SOUTH", "South");
    site.act("/tenants/SOUTH/suspend", &[]).await;
    for number in 0..120 {
        let note = AuditNote::new("test.note").unwrap().with("number", number);
        site.tenancy.audit(&note).unwrap();
    }
    let rows = |page: &Answer| page.body.matches("<th scope=\"row\">").count();
    // From page to page, as the links lead, every entry once.
    let mut address = "/audit".to_owned();
    let mut all = 0;
    loop {
        let page = site.get(&address).await;
        assert_eq!(page.status, StatusCode::OK);
        all += rows(&page);
        let Some((link, _)) = page.body.split_once("\">Older</a>") else {
            break;
        };
        let (_, link) = link.rsplit_once("href=\"").unwrap();
        address = link.replace("&amp;", "&").replace("&#38;", "&");
    }
    assert_eq!(all as u64, site.tenancy.audit_head().unwrap().seq);
    for (query, some, has) in [
        ("tenant=south", true, ">SOUTH</a>"),
        ("tenant=NOBODY", false, "No entry"),
        ("action=test.note", true, "number: 119"),
        ("action=test", false, "No entry"),
        (&*format!("actor={}", site.username), true, &*site.username),
        ("actor=nobody", false, "No entry"),
        (
            "from=2020-01-01&until=2199-01-01T00%3A00",
            true,
            "test.note",
        ),
        ("from=2199-01-01", false, "No entry"),
        ("until=2020-01-01", false, "No entry"),
        ("before=3", true, "<td class=\"number\">2</td>"),
        ("before=x", true, "number: 119"),
        ("before=99999999999999999999", true, "number: 119"),
        ("tenant=SOUTH&action=test.note", false, "No entry"),
    ] {
        let page = site.get(&format!("/audit?{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        assert_eq!(rows(&page) > 0, some, "{query}");
        page.has(has);
    }
    let by_me = site.get(&format!("/audit?actor={}", site.username)).await;
    by_me.has_not("test.note").has("suspend");
    for wrong in [
        "tenant=..",
        "from=yesterday",
        "until=2026-02-30",
        "actor=%00",
    ] {
        let page = site.get(&format!("/audit?{wrong}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        page.has("role=\"alert\"");
        assert_eq!(rows(&page), 0, "{wrong}");
    }
    // The newest of its own on a tenant's page, and of no other.
    site.get("/tenants/SOUTH")
        .await
        .has("All entries about SOUTH")
        .has("suspend")
        .has_not("test.note");
}

#[tokio::test]
async fn what_stands_in_the_log_is_text() {
    let site = Site::logged_in().await;
    let by = Principal::user("<b>user</b>".parse().unwrap())
        .with_reason("<script>alert(1)</script>".parse().unwrap());
    let note = AuditNote::new("test.note").unwrap();
    let note = note.with("<img src=x>", "<img onerror=y>");
    site.tenancy.acting_as(by).audit(&note).unwrap();
    let page = site.get("/audit?actor=%3Cb%3Euser%3C%2Fb%3E").await;
    page.has("test.note")
        .has_not("<b>")
        .has_not("<script>a")
        .has_not("<img");
}

#[tokio::test]
async fn the_first_entry_that_was_tampered_with_is_shown() {
    let site = Site::logged_in().await;
    site.create("NORTH", "North");
    for _ in 0..5 {
        site.tenancy
            .audit(&AuditNote::new("test.note").unwrap())
            .unwrap();
    }
    let head = site.tenancy.audit_head().unwrap();
    let last = head.seq;
    let whole = format!("The chain is whole up to entry {last}.");
    site.post("/audit/verification", &[])
        .await
        .has(&whole)
        .has(&head.to_string());
    let compare = async |head: &str| site.post("/audit/verification", &[("head", head)]).await;
    compare(&head.to_string())
        .await
        .has("what was written down");
    compare(&format!("{last}:{}", "0".repeat(64)))
        .await
        .has("tampered with")
        .has("not the one that was written down");
    for wrong in ["x", "1:2", "<script>"] {
        let page = compare(wrong).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.has_not("<script>").has("role=\"alert\"");
    }
    let victim = last - 2;
    raw(
        &site,
        &format!(
            "DROP TRIGGER __tenants_audit_no_update;;
             UPDATE __tenants_audit SET actor = 'user:somebody-else' WHERE seq = {victim}"
        ),
    );
    let page = site.post("/audit/verification", &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    page.has("tampered with")
        .has(&format!("audit entry {victim} was changed"))
        .has("user:somebody-else")
        .has_not("is whole");
}

/// As many entries as a service has after years. `DIESEL_TENANTS_SWEEP=full` takes 100,000, written as they are.
#[tokio::test]
async fn a_long_log_is_a_page_at_a_time() {
    let full = std::env::var("DIESEL_TENANTS_SWEEP").is_ok_and(|sweep| sweep == "full");
    let many: u64 = if full { 100_000 } else { 2_000 };
    let mut site = Site::open_with(|builder| {
        builder
            .audit(AuditPolicy::All)
            .audit_batch(10_000, Duration::from_secs(3600))
    });
    site.let_in().await;
    site.create("NORTH", "North");
    let handle = site.tenancy.handle(&"NORTH".parse().unwrap()).unwrap();
    let began = Instant::now();
    for _ in 0..many {
        drop(handle.enter().unwrap());
    }
    site.tenancy.flush_audit().unwrap();
    println!("{many} entries written in {:?}", began.elapsed());
    for path in [
        "/audit",
        &format!("/audit?before={}", many / 2),
        "/audit?tenant=NORTH&action=nothing.at-all",
        "/audit?actor=nobody",
        "/tenants/NORTH",
        "/audit/verification",
    ] {
        let began = Instant::now();
        let page = match path {
            "/audit/verification" => site.post(path, &[]).await,
            path => site.get(path).await,
        };
        let took = began.elapsed();
        println!("{path}: {took:?}, {} bytes", page.body.len());
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.body.len() < 60_000, "{path}: {}", page.body.len());
        let bound = if path.ends_with("verification") {
            60
        } else {
            5
        };
        assert!(took < Duration::from_secs(bound), "{path}: {took:?}");
    }
    site.post("/audit/verification", &[])
        .await
        .has("is whole up to");
}
