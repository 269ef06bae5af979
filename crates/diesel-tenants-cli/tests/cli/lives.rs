//! A tenant's life from the command line, verb by verb: what is printed, the document, the exit code.
use crate::program::{Place, stable};

#[test]
fn init_makes_the_directory_once_and_says_how_to_go_on() {
    let place = Place::empty();
    let missing = place.run(["list"]);
    assert!(missing.refused(2).contains("does not exist"), "{missing:?}");
    assert!(missing.stderr.contains("hint: `init`"), "{missing:?}");
    assert!(!place.data().exists(), "only `init` makes the directory");

    let made = place.run(["init"]);
    assert_eq!(
        stable(made.done()),
        "data is ready, with 0 tenants\nnext:\n tenants create TH001 --name \"Teaching Hospital\"\n"
    );
    assert!(place.data().join("shared.sqlite3").exists());

    place.create("TH001");
    let (again, code) = place.json(["init"]);
    assert_eq!((again["tenants"].as_u64(), code), (Some(1), 0));
}

#[test]
fn create_prints_what_was_made_where_and_how_to_go_on() {
    let place = Place::new();
    let name = "O'Brien & \"Söhne\" 医院 🏥";
    let created = place.run([
        "create",
        "TH001",
        "--name",
        name,
        "--subdomain",
        "Obrien",
        "--plan",
        "premium",
    ]);
    assert_eq!(
        stable(created.done()),
        format!(
            "created TH001 ({name})\n uuid UUID\n database data/tenants/th001-XXXXXXXX/g1.sqlite3\n size SIZE\n \
             schema 20260216101500\n subdomain obrien\n plan premium\nnext:\n tenants show TH001\n \
             tenants verify TH001\n tenants backup TH001\n"
        )
    );
    let (document, code) = place.json(["create", "TH002", "--name", name]);
    assert_eq!(code, 0);
    assert_eq!(document["tenant"]["name"], name);
    let path = document["path"].as_str().expect("a path");
    assert!(place.path().join(path).exists(), "{path}");
    assert_eq!(document["tenant"]["subdomain"], serde_json::Value::Null);
}

#[test]
fn what_is_taken_is_refused_and_the_next_command_named() {
    let place = Place::new();
    place
        .run([
            "create",
            "TH001",
            "--name",
            "Teaching Hospital",
            "--subdomain",
            "th",
        ])
        .done();
    let taken = place.run(["create", "th-001", "--name", "Another"]);
    assert_eq!(taken.code, 0, "another id: {taken:?}");
    let taken = place.run(["create", "th001", "--name", "Another"]);
    assert_eq!(
        taken.refused(4),
        "error: tenant `th001` exists already, as `TH001` (active); ids differ by more than case and `-` or `_`\n\
         hint: `tenants show TH001`\n"
    );
    let taken = place.run(["create", "TH009", "--name", "Another", "--subdomain", "TH"]);
    assert_eq!(
        taken.refused(4),
        "error: the subdomain `th` belongs to tenant `TH001`; choose another\n"
    );
    let (document, code) = place.json(["create", "TH001", "--name", "Another"]);
    assert_eq!(
        (document["error"]["kind"].as_str(), code),
        (Some("refused"), 4)
    );
}

#[test]
fn creating_what_is_there_but_broken_leads_to_repair() {
    let place = Place::new();
    place.create("TH001");
    let path = place.run(["path", "TH001"]).done().trim().to_owned();
    std::fs::remove_file(place.path().join(path)).expect("the database is there");
    let refused = place.run(["create", "TH001", "--name", "Teaching Hospital"]);
    assert!(
        refused
            .refused(4)
            .contains("caused by: the database of tenant `TH001` is missing"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.ends_with("hint: `tenants repair TH001`\n"),
        "{refused:?}"
    );
}

#[test]
fn without_an_id_the_next_free_one_is_suggested() {
    let place = Place::new();
    let name = "Downtown Medical Center";
    let suggested = place.run(["create", "--name", name]);
    assert_eq!(
        suggested.refused(2),
        "error: no id was given; `DMC001` is free\n\
         hint: `tenants create DMC001 --name 'Downtown Medical Center'`\n"
    );
    place.create("dmc001");
    let suggested = place.run(["create", "--name", name]);
    assert!(
        suggested.refused(2).contains("`DMC002` is free"),
        "{suggested:?}"
    );
}

#[test]
fn list_has_a_line_for_each_tenant_and_can_be_narrowed() {
    let place = Place::new();
    assert_eq!(place.run(["list"]).done(), "no tenants\n");
    place.create_two();
    assert_eq!(
        stable(place.run(["list"]).done()),
        "ID STATUS PLAN SCHEMA SIZE CREATED NAME\n\
         DMC001 suspended - 20260216101500 SIZE AGO DMC001 Hospital\n\
         TH001 active premium 20260216101500 SIZE AGO Teaching Hospital\n"
    );
    assert_eq!(
        place.run(["list", "--ids", "--status", "active"]).done(),
        "TH001\n"
    );
    assert_eq!(
        place.run(["ls", "--ids", "--plan", "premium"]).done(),
        "TH001\n"
    );
    assert_eq!(place.run(["ls", "--ids"]).done(), "DMC001\nTH001\n");
    let (document, _) = place.json(["list"]);
    assert_eq!(document["tenants"].as_array().map(Vec::len), Some(2));
    assert_eq!(document["tenants"][0]["status"], "suspended");
    assert!(document["tenants"][0]["bytes"].as_u64() > Some(0));
}

#[test]
fn show_and_path_say_where_a_tenant_is() {
    let place = Place::new();
    place.create("TH001");
    assert_eq!(
        stable(place.run(["show", "th001"]).done()),
        "TH001 (TH001 Hospital)\n status active\n uuid UUID\n database data/tenants/th001-XXXXXXXX/g1.sqlite3\n \
         size SIZE\n generation 1\n schema 20260216101500 (up-to-date)\n health never verified\n newest backup none\n created TIME (AGO)\n changed TIME (AGO)\n"
    );
    let (document, _) = place.json(["show", "TH001"]);
    assert_eq!(document["schema"], "show/1");
    assert_eq!(document["operation"], serde_json::Value::Null);

    let path = place.run(["path", "TH001"]);
    assert!(place.path().join(path.done().trim()).exists(), "{path:?}");
    assert_eq!(
        stable(place.run(["path", "--shared"]).done()),
        "data/shared.sqlite3\n"
    );
    let (document, _) = place.json(["path", "TH001"]);
    assert_eq!(
        format!("{}\n", document["path"].as_str().expect("a path")),
        path.stdout
    );
}

#[test]
fn a_status_is_changed_one_step_at_a_time() {
    let place = Place::new();
    place.create("TH001");
    let early = place.run(["archive", "TH001"]);
    assert_eq!(
        early.refused(4),
        "error: tenant `TH001` is active and cannot become archived\nhint: first `tenants suspend TH001`\n"
    );
    assert_eq!(
        place.run(["suspend", "TH001"]).done(),
        "TH001 is suspended (was active)\n"
    );
    assert_eq!(
        place.run(["resume", "TH001"]).done(),
        "TH001 is active (was suspended)\n"
    );
    place.run(["suspend", "TH001"]).done();
    let (document, _) = place.json(["archive", "TH001"]);
    assert_eq!(
        (document["from"].as_str(), document["to"].as_str()),
        (Some("suspended"), Some("archived"))
    );
    assert!(
        place
            .run(["resume", "TH001"])
            .refused(4)
            .contains("hint: first `tenants unarchive TH001`")
    );
    assert_eq!(
        place.run(["unarchive", "TH001"]).done(),
        "TH001 is suspended (was archived)\n"
    );
}

#[test]
fn compact_makes_the_next_generation() {
    let place = Place::new();
    place.create("TH001");
    let compacted = place.run(["compact", "TH001"]);
    assert_eq!(
        stable(compacted.done()),
        "compacted TH001: SIZE before, SIZE now, generation 2\n"
    );
    assert!(
        place
            .run(["path", "TH001"])
            .done()
            .ends_with("/g2.sqlite3\n")
    );
    assert_eq!(place.json(["compact", "TH001"]).0["generation"], 3);
}

#[test]
fn tenants_for_tests_are_named_and_kept_apart_from_real_ones() {
    let place = Place::new();
    assert_eq!(
        place.run(["create-test", "2"]).done(),
        "created 2 tenants on the plan `test`:\n  TEST001  Northvale Hospital\n  TEST002  Southmoor Hospital\n"
    );
    // It goes on where it stopped.
    assert_eq!(
        place.json(["create-test", "1"]).0["created"][0]["id"],
        "TEST003"
    );
    place.create("TH001");
    let refused = place.run(["create-test", "1"]);
    assert_eq!(
        refused.refused(4),
        "error: there are tenants that are not for tests: TH001\n\
         hint: use another data directory, or `--among-real` if you do mean this one\n"
    );
    place.run(["create-test", "1", "--among-real"]).done();
    assert_eq!(
        place
            .run(["list", "--ids", "--plan", "test"])
            .done()
            .lines()
            .count(),
        4
    );
    for wrong in ["0", "10001", "many", "-1"] {
        assert_eq!(place.run(["create-test", wrong]).code, 2, "{wrong}");
    }
}

#[test]
fn a_tenant_is_renamed_while_it_is_in_use() {
    let place = Place::new();
    place.create("TH001");
    place
        .run(["create", "TH002", "--name", "Other", "--subdomain", "other"])
        .done();
    assert_eq!(
        place
            .run([
                "rename",
                "TH001",
                "--name",
                "City General",
                "--subdomain",
                "city"
            ])
            .done(),
        "TH001 is City General, at the subdomain city\n"
    );
    assert_eq!(
        place
            .run(["rename", "TH001", "--subdomain", "other"])
            .refused(4),
        "error: the subdomain `other` belongs to tenant `TH002`; choose another\n"
    );
    let (document, code) = place.json(["rename", "TH001", "--no-subdomain"]);
    assert_eq!(
        (
            document["subdomain"].as_str(),
            document["name"].as_str(),
            code
        ),
        (None, Some("City General"), 0)
    );
    assert_eq!(place.run(["rename", "TH001"]).code, 2);
    assert_eq!(
        place
            .run(["rename", "TH001", "--no-subdomain", "--subdomain", "x"])
            .code,
        2
    );
    place.run(["rename", "TH009", "--name", "x"]).refused(6);
}

#[test]
fn a_quota_is_set_and_shown() {
    let place = Place::new();
    place.create("TH001");
    assert_eq!(
        stable(place.run(["quota", "TH001"]).done()),
        "TH001\n used SIZE, of which SIZE hold nothing\n quota none\n on disk SIZE\n"
    );
    let (document, code) = place.json(["quota", "TH001", "--set", "500MiB"]);
    assert_eq!(
        (document["quota_bytes"].as_u64(), code),
        (Some(500 << 20), 0)
    );
    assert_eq!(place.json(["show", "TH001"]).0["quota_bytes"], 500 << 20);
    assert_eq!(
        place.json(["quota", "TH001", "--unset"]).0["quota_bytes"],
        serde_json::Value::Null
    );
    for wrong in ["", "many", "5 apples", "-1", "99999999999GiB"] {
        assert_eq!(
            place
                .run(["quota", "TH001", &format!("--set={wrong}")])
                .code,
            2,
            "{wrong}"
        );
    }
    assert_eq!(place.run(["quota", "TH001", "--set", "0"]).code, 2);
}

#[test]
fn create_without_the_database_checks_everything_and_makes_nothing() {
    let place = Place::new();
    place
        .run(["create", "TH002", "--name", "Other", "--subdomain", "other"])
        .done();
    let check = |more: &[&'static str]| {
        let arguments = [
            "create",
            "TH001",
            "--name",
            "O'Brien's",
            "--plan",
            "premium",
            "--dry-run",
        ];
        arguments
            .into_iter()
            .chain(more.iter().copied())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        place.run(check(&["--subdomain", "obrien"])).done(),
        "TH001 (O'Brien's) can be created; nothing was done\n  schema     20260216101500\n  subdomain  obrien\n  plan       premium\n\
         next:\n  tenants create TH001 --name 'O'\\''Brien'\\''s' --subdomain obrien --plan premium\n"
    );
    assert_eq!(place.json(check(&[])).1, 0);
    assert_eq!(
        place.run(["list", "--ids"]).done(),
        "TH002\n",
        "nothing was made"
    );
    assert!(
        place
            .run(check(&["--subdomain", "other"]))
            .refused(4)
            .contains("belongs to tenant `TH002`")
    );
    place.create("TH001");
    assert!(
        place
            .run(check(&[]))
            .refused(4)
            .contains("exists already, as `TH001` (active)")
    );
}

#[test]
fn a_tenant_is_registered_first_and_gets_its_database_later() {
    let place = Place::new();
    let reserve = |id: &str, more: &[&str]| {
        let arguments = ["create", id, "--name", "O'Brien's", "--skip-database"];
        let arguments: Vec<_> = arguments.iter().chain(more).copied().collect();
        place.run(arguments)
    };
    let reserved = reserve("TH001", &["--subdomain", "obrien"]);
    let expected = "reserved TH001 (O'Brien's); it has no database yet\n  uuid UUID\n  subdomain obrien\n\
                    next:\n tenants create TH001 --name 'O'\\''Brien'\\''s' --subdomain obrien\n tenants delete TH001 --yes-i-mean TH001\n";
    let squeezed = |text: &str| crate::program::stable(text).replace("\n  ", "\n ");
    assert_eq!(squeezed(reserved.done()), squeezed(expected));
    let (document, code) = place.json(["create", "TH002", "--name", "Second", "--skip-database"]);
    assert_eq!(
        (code, document["tenant"]["status"].as_str()),
        (0, Some("reserved"))
    );

    let (listed, _) = place.json(["list", "--status", "reserved"]);
    assert_eq!(listed["tenants"].as_array().expect("a list").len(), 2);
    assert!(place.run(["show", "TH001"]).done().contains("none yet"));
    let again = reserve("th001", &[]);
    assert!(
        again
            .refused(4)
            .contains("hint: `tenants repair TH001` makes its database"),
        "{again:?}"
    );
    let verified = place.run(["verify", "TH001"]);
    assert!(
        verified.ended(3).contains("its database was never made"),
        "{verified:?}"
    );
    assert!(
        verified.stdout.ends_with("next:\n  tenants repair TH001\n"),
        "{verified:?}"
    );
    let doctor = place.run(["doctor"]);
    assert!(
        doctor.ended(3).contains(
            "! TH001 is reserved and has no database yet\n    tenants repair TH001 --apply"
        ),
        "{doctor:?}"
    );
    for refused in [
        &["suspend", "TH001"][..],
        &["backup", "TH001"],
        &["migrate", "TH001"],
        &["export", "TH001", "out"],
    ] {
        place.run(refused).refused(4);
    }

    let plan = place.run(["repair", "TH001"]);
    assert!(
        plan.ended(3).contains("would be made from the migrations"),
        "{plan:?}"
    );
    let made = place.run(["repair", "TH001", "--apply"]);
    assert!(
        made.done().starts_with("created TH001 (O'Brien's)\n"),
        "{made:?}"
    );
    place.admit("TH001");
    assert_eq!(place.run(["verify", "TH001"]).done(), "TH001 is ready\n");

    place.run(["delete", "TH002"]).refused(4);
    let gone = place.run(["delete", "TH002", "--yes-i-mean", "TH002"]);
    assert_eq!(
        gone.done(),
        "TH002 is not reserved any more; its id is free\n"
    );
    place
        .run(["create", "TH002", "--name", "Second", "--skip-database"])
        .done();
    let created = place.run(["create", "TH002", "--name", "Second Hospital"]);
    assert!(
        created
            .done()
            .starts_with("created TH002 (Second Hospital)\n"),
        "{created:?}"
    );
}
