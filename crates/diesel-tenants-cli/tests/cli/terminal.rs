//! What is different on a terminal: colours, and questions instead of refusals. `script` of util-linux gives one.
use std::io::Write;
use std::process::{Command, Stdio};

use crate::program::{Place, Ran, skipped};

/// Runs a shell command on a terminal of its own, with these lines typed. `None` where there is no `script`.
fn on_a_terminal(place: &Place, command: &str, typed: &str) -> Option<Ran> {
    if Command::new("script").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("DIESEL_TENANTS_NO_SKIP").is_none(),
            "`script` is missing"
        );
        skipped("there is no `script` to make a terminal with");
        return None;
    }
    let tenants = env!("CARGO_BIN_EXE_tenants");
    let command = command.replace("tenants", tenants);
    let mut child = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--echo",
            "never",
            "--command",
            &command,
            "/dev/null",
        ])
        .current_dir(place.path())
        .env("TENANTS_DATA", "data")
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("script runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(typed.as_bytes()).expect("it reads");
    // Left open until the end, or the terminal would hang up before the answer.
    let output = child.wait_with_output().expect("it ends");
    drop(stdin);
    Some(Ran {
        code: output.status.code().expect("it ends by itself"),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

#[test]
fn colours_are_for_terminals_only() {
    let place = Place::new();
    place.create("TH001");
    let colored = |text: &str| text.contains("\u{1b}[");
    assert!(!colored(&place.run(["list"]).stdout));
    assert!(colored(&place.run(["--color", "always", "list"]).stdout));
    assert!(!colored(
        &place.run(["--color", "always", "list", "--json"]).stdout
    ));
    let Some(ran) = on_a_terminal(&place, "tenants list", "") else {
        return;
    };
    assert!(colored(&ran.stdout), "{ran:?}");
    for plain in [
        "NO_COLOR=1 tenants list",
        "tenants --color never list",
        "TERM=dumb tenants list",
        "tenants list --json",
    ] {
        let ran = on_a_terminal(&place, plain, "").expect("there is a terminal");
        assert!(!colored(&ran.stdout), "{plain}: {ran:?}");
    }
}

/// Long work has a bar where somebody watches, with how far it is; and not a character of one elsewhere.
#[test]
fn progress_is_drawn_for_who_watches() {
    let place = Place::new();
    for id in ["TH001", "TH002", "TH003"] {
        place.create(id);
    }
    let bar = |text: &str| text.contains("3/3") && text.contains('█');
    let command = ["verify", "--all"];
    let Some(ran) = on_a_terminal(&place, "tenants verify --all", "") else {
        return;
    };
    assert!(bar(&ran.stdout), "{ran:?}");
    // Its cursor is moved for each step, and the line is cleared in the end.
    assert!(
        ran.stdout.contains('\r') && ran.stdout.contains("\u{1b}[2K"),
        "{ran:?}"
    );
    let piped = place.run(command);
    assert_eq!(piped.stderr, "", "{piped:?}");
    for text in [&piped.stdout, &piped.stderr] {
        assert!(!text.contains(['\r', '\u{1b}', '█', '░']), "{piped:?}");
    }
    let ran = on_a_terminal(&place, "tenants verify --all 2>/dev/null", "");
    let ran = ran.expect("there is a terminal");
    assert!(!bar(&ran.stdout), "{ran:?}");
}

#[test]
fn a_destructive_command_asks_for_the_id() {
    let place = Place::new();
    place.create("TH001");
    for verb in ["suspend", "archive"] {
        place.run([verb, "TH001"]).done();
    }
    let Some(ran) = on_a_terminal(&place, "tenants delete TH001", "th001\n") else {
        return;
    };
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stdout.contains("Type its id to go on: "), "{ran:?}");
    assert!(
        ran.stdout.contains("that is not `TH001`; nothing was done"),
        "{ran:?}"
    );
    assert!(place.json(["show", "TH001"]).0["delete_after"].is_null());

    let ran =
        on_a_terminal(&place, "tenants delete TH001", "TH001\n").expect("there is a terminal");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(place.json(["show", "TH001"]).0["delete_after"].is_string());
}

#[test]
fn create_without_an_id_asks_whether_the_suggestion_will_do() {
    let place = Place::new();
    let command = "tenants create --name 'Downtown Medical Center'";
    let Some(ran) = on_a_terminal(&place, command, "n\n") else {
        return;
    };
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(place.run(["list"]).done(), "no tenants\n");
    let ran = on_a_terminal(&place, command, "\n").expect("there is a terminal");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("Create it as DMC001? [Y/n]"), "{ran:?}");
    place.run(["show", "DMC001"]).done();
}
