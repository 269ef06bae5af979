//! Commands over all tenants.
use crate::program::{Place, stable};
use diesel::connection::SimpleConnection;
use diesel_tenants::{FanOut, MigrateFleet, NewTenant, ReferenceList};
use std::sync::{Arc, Barrier, Once};

#[test]
fn routes_prints_every_table_and_finds_one() {
    let place = Place::empty();
    let all = place.run(["routes"]);
    assert_eq!(all.done().lines().count(), 74, "a title and 73 tables");
    assert_eq!(
        stable(place.run(["routes", "PATIENTS"]).done()),
        "SCOPE MODULE TABLE MODEL\ntenant patients patients Patient\n"
    );
    let shared = place.run(["routes", "--scope", "shared"]);
    assert!(
        shared
            .done()
            .lines()
            .skip(1)
            .all(|line| line.starts_with("shared ")),
        "{shared:?}"
    );
    let unknown = place.run(["routes", "accounts_user"]);
    assert_eq!(
        unknown.refused(6),
        "error: no table \"accounts_user\" is routed\nhint: `routes` prints them all\n"
    );
    assert_eq!(
        place.json(["routes", "users"]).0["routes"][0]["scope"],
        "shared"
    );
    assert!(!place.data().exists(), "nothing is opened for it");
}

#[test]
fn migrations_says_who_is_behind() {
    let place = Place::new();
    place.create("TH001");
    // One that has no database yet is behind nothing.
    let soon = ["create", "SOON", "--name", "Soon", "--skip-database"];
    place.run(soon).done();
    let (document, code) = place.json(["migrations"]);
    assert_eq!(document["tenants"], 1);
    assert_eq!(
        (document["behind"].as_array().map(Vec::len), code),
        (Some(0), 0)
    );
    let (document, code) = place.json(["migrations", "TH001"]);
    assert_eq!(
        (document["verdict"].as_str(), code),
        (Some("up-to-date"), 0)
    );

    place.create_behind(&["OLD001"]);
    let behind = place.run(["migrations"]);
    assert!(
        behind
            .ended(3)
            .contains("pharmacy_sales_repair      1/2\n1 tenant behind\nnext:\n  tenants migrate"),
        "{behind:?}"
    );
    let (document, code) = place.json(["migrations"]);
    assert_eq!((document["behind"][0].as_str(), code), (Some("OLD001"), 3));

    let one = place.run(["migrations", "OLD001"]);
    assert!(
        one.ended(3)
            .contains("pharmacy_sales_repair  pending\nOLD001 is behind\n"),
        "{one:?}"
    );
    assert!(
        one.stdout.ends_with("next:\n  tenants migrate OLD001\n"),
        "{one:?}"
    );
    assert_eq!(place.json(["migrations", "OLD001"]).0["verdict"], "behind");
}

#[test]
fn stats_counts_and_adds_up() {
    let place = Place::new();
    place.create_two();
    let text = stable(place.run(["stats"]).done());
    assert!(
        text.starts_with("2 tenants\n tenants' databases SIZE\n shared database SIZE\n"),
        "{text}"
    );
    assert!(
        text.contains("STATUS TENANTS\nactive 1\nsuspended 1\n"),
        "{text}"
    );
    assert!(text.contains("PLAN TENANTS\n- 1\npremium 1\n"), "{text}");
    let (document, code) = place.json(["stats", "--largest", "1"]);
    assert_eq!(code, 0);
    assert_eq!(document["by_status"]["suspended"], 1);
    assert_eq!(document["by_plan"][""], 1);
    assert_eq!(document["largest"].as_array().map(Vec::len), Some(1));
}

#[test]
fn doctor_finds_nothing_on_a_fleet_in_order() {
    let place = Place::new();
    place.create("TH001");
    place.run(["backup", "--all"]).done();
    let well = place.run(["doctor"]);
    assert!(
        well.done()
            .starts_with("1 tenant, nothing to do (SQLite 3."),
        "{well:?}"
    );
    let (document, code) = place.json(["doctor"]);
    assert_eq!(
        (document["findings"].as_array().map(Vec::len), code),
        (Some(0), 0)
    );
}

#[test]
fn doctor_names_what_is_wrong_and_what_to_do() {
    let place = Place::new();
    for id in ["TH001", "TH002"] {
        place.create(id);
    }
    place.create_behind(&["OLD001"]);
    place.run(["backup", "--all"]).done();
    let lost = place.run(["path", "TH002"]).done().trim().to_owned();
    std::fs::remove_file(place.path().join(lost)).expect("the database is there");
    place.create("TH003");
    std::fs::create_dir(place.data().join("tenants/nobodys-00000000")).expect("a directory");

    let found = place.run(["doctor"]);
    assert_eq!(
        stable(found.ended(3))
            .lines()
            .take(8)
            .collect::<Vec<_>>()
            .join("\n"),
        "! OLD001 is at 20260105092200 and misses migrations\n tenants migrate OLD001\n\
         ! the database of TH002 is missing\n tenants backups TH002\n\
         ! TH003 has no backup\n tenants backup TH003\n\
         ! \"nobodys-00000000\" belongs to no tenant of this catalogue; adopt it or move it away\n look what it is, then move it out of the data directory"
    );
    let (document, code) = place.json(["doctor"]);
    let kinds = document["findings"].as_array().expect("a list").iter();
    let kinds: Vec<&str> = kinds
        .map(|finding| finding["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(
        (kinds, code),
        (
            vec!["behind", "missing", "backup-missing", "orphan-directory"],
            3
        )
    );
}

#[test]
fn completions_are_made_for_three_shells() {
    let place = Place::empty();
    for (shell, mark) in [
        ("bash", "_tenants()"),
        ("zsh", "#compdef tenants"),
        ("fish", "complete -c tenants"),
    ] {
        let script = place.run(["completions", shell]);
        assert!(script.done().contains(mark), "{shell}");
        assert!(script.stdout.contains("create-test"), "{shell}");
        assert!(place.json(["completions", shell]).0["script"].is_string());
    }
    let mut bash = std::process::Command::new("bash");
    let script = place.run(["completions", "bash"]).stdout;
    let checked = crate::program::Ran::of(bash.arg("-n").arg("-c").arg(script));
    assert_eq!(checked.code, 0, "{checked:?}");
    assert_eq!(place.run(["completions", "tcsh"]).code, 2);
}

#[test]
fn migrate_brings_those_that_are_behind_to_the_newest() {
    let place = Place::new();
    place.create_behind(&["OLD001", "OLD002", "OLD003"]);
    let plan = place.run(["migrate", "--all", "--dry-run"]);
    assert_eq!(
        stable(plan.ended(3)),
        "TENANT AT WOULD WHAT\nOLD001 20260105092200 migrate 20260216101500\nOLD002 20260105092200 migrate 20260216101500\n\
         OLD003 20260105092200 migrate 20260216101500\n0 tenants up to date at 20260216101500; nothing was done\n\
         next:\n tenants migrate --all\n"
    );
    assert_eq!(
        place.json(["migrate", "--all", "--dry-run"]).0["waves"],
        serde_json::json!([1, 1, 1])
    );

    let one = place.run(["migrate", "OLD002"]);
    assert_eq!(one.done(), "migrated 1 tenant to 20260216101500\n");
    let (document, code) = place.json([
        "migrate",
        "--all",
        "--workers",
        "2",
        "--stop-after",
        "never",
    ]);
    assert_eq!((document["totals"]["done"].as_u64(), code), (Some(2), 0));
    assert_eq!(
        document["tenants"][0]["applied"],
        serde_json::json!(["20260216101500"])
    );
    assert_eq!(
        place.run(["migrate", "--all"]).done(),
        "nothing to do: 3 tenants at 20260216101500\n"
    );
    assert_eq!(place.run(["migrate", "--all", "--dry-run"]).code, 0);

    let (runs, _) = place.json(["runs"]);
    let run = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
    assert!(place.run(["runs"]).done().contains(&run));
    assert_eq!(place.json(["runs", &run]).0["outcome"], "done");
    let unknown = place.run(["runs", "01a2141e-e986-74b5-be83-cefb20e6ff7f"]);
    assert_eq!(
        unknown.refused(6),
        "error: run 01a2141e-e986-74b5-be83-cefb20e6ff7f is not known\nhint: `tenants runs` lists them\n"
    );
    for wrong in ["5", "101%", "-1", "some"] {
        let code = if wrong == "5" { 0 } else { 2 };
        assert_eq!(
            place
                .run(["migrate", "--all", &format!("--stop-after={wrong}")])
                .code,
            code,
            "{wrong}"
        );
    }
    assert_eq!(place.run(["migrate", "--all", "--timeout", "soon"]).code, 2);
    assert_eq!(place.run(["migrate", "OLD009"]).code, 6);
    assert_eq!(place.run(["migrate"]).code, 2);
}

#[test]
fn a_tenant_that_cannot_be_migrated_is_named_and_the_others_go_on() {
    let place = Place::new();
    place.create_behind(&["OLD001", "OLD002", "OLD003"]);
    let poisoned = place.run(["path", "OLD003"]).done().trim().to_owned();
    std::fs::remove_file(poisoned).expect("the database is there");
    let ran = place.run(["migrate", "--all"]);
    let text = ran.ended(1);
    assert!(
        text.starts_with("migrated 2 tenants to 20260216101500, 1 failed\n"),
        "{ran:?}"
    );
    assert!(
        stable(text)
            .contains("FAILED KIND WHY\nOLD003 missing the database of tenant `OLD003` is missing"),
        "{ran:?}"
    );
    assert!(
        text.ends_with("next:\n  tenants verify OLD003\n  tenants migrate --all\n"),
        "{ran:?}"
    );
    let (document, code) = place.json(["migrate", "--all"]);
    // It is the only one left, and known to fail: no canary.
    assert_eq!((document["outcome"].as_str(), code), (Some("failed"), 1));
    assert_eq!(document["tenants"][0]["error"]["kind"], "missing");
}

/// As three of a thousand are, whose databases hold what the migration is to make.
#[test]
fn three_poisoned_tenants_are_named_with_the_error_of_the_database() {
    let place = Place::new();
    let older = place
        .older_library()
        .open()
        .expect("the older program opens it");
    let ids = ["OLD001", "OLD002", "OLD003", "OLD004", "OLD005"];
    for id in ids {
        let tenant = older.create(&id.parse().expect("an id"), NewTenant::named(id));
        let mut ctx = tenant.expect("it is created").enter().expect("it opens");
        if ["OLD003", "OLD004", "OLD005"].contains(&id) {
            let sql = "ALTER TABLE pharmacy_sales ADD COLUMN hospital_id BLOB";
            ctx.unrouted("poison it", |raw| raw.connection().batch_execute(sql))
                .expect("the SQL runs");
        }
    }
    drop(older);
    let (document, code) = place.json(["migrate", "--all", "--stop-after", "never"]);
    assert_eq!(code, 1, "{document}");
    let totals = &document["totals"];
    assert_eq!(
        (totals["done"].as_u64(), totals["failed"].as_u64()),
        (Some(2), Some(3))
    );
    let tenants = document["tenants"].as_array().expect("a list");
    for id in ["OLD003", "OLD004", "OLD005"] {
        let tenant = tenants.iter().find(|it| it["id"] == id);
        let message = tenant.and_then(|it| it["error"]["message"].as_str());
        let message = message.expect("it is named, and why");
        assert!(
            message.ends_with("duplicate column name: hospital_id"),
            "{message}"
        );
    }
    // And for people.
    let ran = place.run(["migrate", "--all", "--stop-after", "never"]);
    let text = ran.ended(1);
    for id in ["OLD003", "OLD004", "OLD005"] {
        let line = text.lines().find(|line| line.starts_with(id));
        let why = "duplicate column name: hospital_id";
        assert!(line.is_some_and(|line| line.contains(why)), "{ran:?}");
    }
}

#[test]
fn reference_lists_are_shown_with_who_is_behind() {
    let place = Place::new();
    assert_eq!(place.run(["reference"]).done(), "no list was ever pushed\n");
    let unknown = place.run(["reference", "drugs"]);
    assert_eq!(
        unknown.refused(6),
        "error: no list \"drugs\" was ever pushed\nhint: `reference` lists them\n"
    );
    place.create("TH001");
    let tenancy = place.library().open().expect("the library opens");
    let list = ReferenceList::new("drugs", 3, b"v3", |_| Ok(0)).expect("a list");
    tenancy
        .push_reference(&list, FanOut::new(), |_| {})
        .expect("it is pushed");
    place.create("TH002");

    assert_eq!(
        stable(place.run(["reference"]).ended(3)),
        "LIST NEWEST BEHIND\ndrugs 3 1\n"
    );
    assert_eq!(
        stable(place.run(["reference", "drugs"]).ended(3)),
        "drugs, newest version 3\nID VERSION STANDING APPLIED\nTH001 3 current TIME\nTH002 - behind -\n"
    );
    assert_eq!(place.json(["reference"]).0["lists"][0]["behind"], 1);
    assert_eq!(
        place.json(["reference", "drugs"]).0["tenants"][1]["standing"],
        "behind"
    );
    tenancy
        .push_reference(&list, FanOut::new(), |_| {})
        .expect("it is pushed");
    place.run(["reference"]).done();
}

#[test]
fn what_another_process_works_on_ends_with_5() {
    let place = Place::new();
    place.create_behind(&["OLD001", "OLD002"]);
    let tenancy = place.library().open().expect("the library opens");
    let (reached, wait) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let hook = (Arc::clone(&reached), Arc::clone(&wait));
    let run = std::thread::spawn(move || {
        let first = Once::new();
        let options = MigrateFleet::default().before_each(move |_| {
            first.call_once(|| {
                hook.0.wait();
                hook.1.wait();
            });
            Ok(())
        });
        tenancy
            .migrate_fleet(&options, |_| {})
            .expect("the run ends")
    });
    reached.wait();
    let busy = place.run(["migrate", "OLD002"]);
    let (document, code) = place.json(["migrate", "OLD002"]);
    wait.wait();
    assert!(
        busy.refused(5).contains("is being worked on; wait for it"),
        "{busy:?}"
    );
    assert_eq!(
        (document["error"]["kind"].as_str(), code),
        (Some("busy"), 5)
    );
    assert!(run.join().expect("the run").is_success());
    place.run(["migrate", "OLD002"]).done();
}

/// The end of the wait was later than the clock can tell, and the program panicked.
#[test]
fn any_span_of_time_may_be_waited() {
    let place = Place::new();
    place.create_behind(&["OLD001"]);
    let timeout = ["--timeout", "18446744073709551615s"];
    place
        .run(["migrate", "--all"].into_iter().chain(timeout))
        .done();
}
