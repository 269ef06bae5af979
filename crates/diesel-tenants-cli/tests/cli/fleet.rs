//! Commands over all tenants.
use crate::program::{Place, stable};
use diesel_tenants::NewTenant;

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
    let (document, code) = place.json(["migrations"]);
    assert_eq!(
        (document["behind"].as_array().map(Vec::len), code),
        (Some(0), 0)
    );
    let (document, code) = place.json(["migrations", "TH001"]);
    assert_eq!(
        (document["verdict"].as_str(), code),
        (Some("up-to-date"), 0)
    );

    let older = place
        .older_library()
        .open()
        .expect("the older program opens it");
    older
        .create(&"OLD001".parse().expect("an id"), NewTenant::named("Old"))
        .expect("it is created");
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
    place
        .run([
            "create",
            "TH001",
            "--name",
            "Teaching Hospital",
            "--plan",
            "premium",
        ])
        .done();
    place.create("DMC001");
    place.run(["suspend", "DMC001"]).done();
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
    let older = place
        .older_library()
        .open()
        .expect("the older program opens it");
    older
        .create(&"OLD001".parse().expect("an id"), NewTenant::named("Old"))
        .expect("it is created");
    let lost = place.run(["path", "TH002"]).done().trim().to_owned();
    std::fs::remove_file(place.path().join(lost)).expect("the database is there");
    std::fs::create_dir(place.data().join("tenants/nobodys-00000000")).expect("a directory");

    let found = place.run(["doctor"]);
    assert_eq!(
        stable(found.ended(3))
            .lines()
            .take(6)
            .collect::<Vec<_>>()
            .join("\n"),
        "! OLD001 is at 20260105092200 and misses migrations\n tenants migrate OLD001\n\
         ! the database of TH002 is missing\n tenants verify TH002\n\
         ! data/tenants/nobodys-00000000 belongs to no tenant\n look what it is, then move it out of the data directory"
    );
    let (document, code) = place.json(["doctor"]);
    let kinds = document["findings"].as_array().expect("a list").iter();
    let kinds: Vec<&str> = kinds
        .map(|finding| finding["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(
        (kinds, code),
        (vec!["behind", "missing", "orphan-directory"], 3)
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
