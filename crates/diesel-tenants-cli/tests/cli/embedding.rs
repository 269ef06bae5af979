//! The commands below an application's own parser: `examples/clinic.rs`, with its own tables.
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Place, Ran, stable};

/// Cargo builds the examples of a package before its tests.
fn clinic() -> PathBuf {
    let tenants = Path::new(env!("CARGO_BIN_EXE_tenants"));
    tenants.with_file_name("examples").join("clinic")
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = Command::new(clinic());
    Ran::of(
        command
            .current_dir(place.path())
            .env_remove("TENANTS_DATA")
            .args(arguments),
    )
}

#[test]
fn an_application_has_the_commands_beside_its_own_and_on_its_own_tables() {
    let place = Place::empty();
    run(&place, &["tenants", "--data", "data", "init"]).done();
    let created = run(
        &place,
        &[
            "tenants",
            "--data",
            "data",
            "create",
            "north",
            "--name",
            "North Clinic",
        ],
    );
    assert!(
        created
            .done()
            .contains("clinic tenants --data data show north"),
        "{created:?}"
    );

    let routes = run(&place, &["tenants", "routes"]);
    assert_eq!(
        stable(routes.done()),
        "SCOPE MODULE TABLE MODEL\nshared accounts users -\ntenant wards patients -\n"
    );
    assert_eq!(run(&place, &["count", "data"]).done(), "north  0\n");
    assert_eq!(
        run(&place, &["tenants", "list", "--ids", "--data", "data"]).done(),
        "north\n"
    );
}

#[test]
fn an_applications_parser_has_the_last_word_on_its_command_line() {
    let place = Place::empty();
    assert_eq!(run(&place, &["tenants", "nonsense"]).code, 2);
    let help = run(&place, &["tenants", "--help"]);
    assert!(
        help.done().contains("clinic tenants [OPTIONS] <COMMAND>"),
        "{help:?}"
    );
    let refused = run(&place, &["tenants", "list"]);
    assert!(
        refused.refused(2).contains("which data directory?"),
        "{refused:?}"
    );
}

/// The application's budget of connections is its own, and the shell's limit is another one.
#[test]
fn doctor_says_where_the_connections_are_more_than_the_descriptors() {
    let place = Place::empty();
    run(&place, &["tenants", "--data", "data", "init"]).done();
    run(&place, &["tenants", "--data", "data", "backup", "--shared"]).done();
    let limited = |limit: &str| {
        let script = format!("ulimit -n {limit}; exec \"$0\" tenants --data data doctor --json");
        let mut shell = Command::new("bash");
        shell.current_dir(place.path()).args(["-c", &script]);
        Ran::of(shell.arg(clinic())).document()["findings"].clone()
    };
    assert_eq!(limited("700"), serde_json::json!([]));
    let found = limited("90");
    assert_eq!(found[0]["kind"], "descriptors", "{found}");
    let message = found[0]["message"].as_str().expect("a message");
    assert!(
        message.contains("up to 200 connections") && message.ends_with("is enough for 30"),
        "{found}"
    );
}
