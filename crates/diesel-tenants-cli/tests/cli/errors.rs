//! What is typed wrong: the exact message and exit code 2, with nothing done and nothing on stdout.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::program::{Place, Ran};

const ID_RULE: &str = "a tenant id is an ASCII letter, then ASCII letters, digits, `-` or `_`, 2 to 32 characters in all";

#[test]
fn bad_tenant_ids_are_refused_by_name_and_position() {
    let place = Place::new();
    let long = "a".repeat(33);
    let longer = "a".repeat(4_096);
    for (given, message) in [
        (&b""[..], format!("tenant id is empty; {ID_RULE}")),
        (b" ", format!("tenant id \" \" has whitespace U+0020 at character 1, which is not allowed; {ID_RULE}")),
        (b"A", format!("tenant id \"A\" is too short: 1 character; {ID_RULE}")),
        (long.as_bytes(), format!("tenant id \"{long}\" is too long: 33 characters; {ID_RULE}")),
        (longer.as_bytes(), format!("tenant id \"{}\"… is too long: 4096 characters; {ID_RULE}", "a".repeat(64))),
        (b"..", format!("tenant id \"..\" has '.' at character 1, which is not allowed; {ID_RULE}")),
        (b"../TH001", format!("tenant id \"../TH001\" has '.' at character 1, which is not allowed; {ID_RULE}")),
        (b"a/b", format!("tenant id \"a/b\" has '/' at character 2, which is not allowed; {ID_RULE}")),
        (b"%2e%2e", format!("tenant id \"%2e%2e\" has '%' at character 1, which is not allowed; {ID_RULE}")),
        (b"a?mode=memory", format!("tenant id \"a?mode=memory\" has '?' at character 2, which is not allowed; {ID_RULE}")),
        (b"a\nb", format!("tenant id \"a\\nb\" has control character U+000A at character 2, which is not allowed; {ID_RULE}")),
        (b"a\x1b[31mb", format!("tenant id \"a\\u{{1b}}[31mb\" has control character U+001B at character 2, which is not allowed; {ID_RULE}")),
        ("t\u{4bb}001".as_bytes(), format!("tenant id \"tһ001\" has non-ASCII character U+04BB at character 2, which is not allowed; {ID_RULE}")),
        (b"1abc", format!("tenant id \"1abc\" has '1' at character 1, where only a letter may stand; {ID_RULE}")),
        (b"--all", format!("tenant id \"--all\" has '-' at character 1, where only a letter may stand; {ID_RULE}")),
        (b"a'; DROP TABLE users;--", format!("tenant id \"a'; DROP TABLE users;--\" has ''' at character 2, which is not allowed; {ID_RULE}")),
        (b":memory:", format!("tenant id \":memory:\" has ':' at character 1, which is not allowed; {ID_RULE}")),
        (b"CON", "tenant id \"CON\" is the reserved word `con` in lower case with `_` for `-`; choose another id".to_owned()),
        (b"shared", "tenant id \"shared\" is the reserved word `shared` in lower case with `_` for `-`; choose another id".to_owned()),
        (b"pg_x", "tenant id \"pg_x\" begins with the reserved `pg_` in lower case with `_` for `-`; choose another id".to_owned()),
        (b"ab\xff", format!("tenant id \"ab\\xff\" is not UTF-8 at byte 3; {ID_RULE}")),
    ] {
        let given = OsStr::from_bytes(given);
        for arguments in [
            vec![OsStr::new("show"), OsStr::new("--"), given],
            vec![OsStr::new("create"), OsStr::new("--name=Some Name"), OsStr::new("--"), given],
            vec![OsStr::new("delete"), OsStr::new("--"), given],
        ] {
            let ran = place.run(arguments);
            assert_eq!(ran.refused(2), format!("error: {message}\n"));
        }
    }
    assert_eq!(place.run(["list"]).done(), "no tenants\n");
}

#[test]
fn names_that_are_words_elsewhere_are_names_here() {
    let place = Place::new();
    for id in ["select", "user", "abc-", "a--b", "list"] {
        place.create(id);
        place.run(["show", id]).done();
    }
}

#[test]
fn bad_names_and_subdomains_are_refused() {
    let place = Place::new();
    let create = |option: &str, value: &str| {
        let mut arguments = vec![
            "create".to_owned(),
            "TH001".to_owned(),
            format!("{option}={value}"),
        ];
        if option != "--name" {
            arguments.push("--name=Teaching Hospital".to_owned());
        }
        place.run(arguments)
    };
    for (option, value, message) in [
        ("--name", "", "error: --name: display name is empty;"),
        (
            "--name",
            "City\u{202e}General",
            "error: --name: display name \"City\\u{202e}General\" has text direction U+202E",
        ),
        (
            "--name",
            &"x".repeat(10_000),
            "error: --name: display name \"xxxx",
        ),
        (
            "--subdomain",
            "",
            "error: --subdomain: subdomain \"\" has an empty label at character 1",
        ),
        (
            "--subdomain",
            "a..b",
            "error: --subdomain: subdomain \"a..b\" has an empty label at character 3",
        ),
        (
            "--subdomain",
            "-a",
            "error: --subdomain: subdomain \"-a\" has a hyphen at character 1, which is one of its ends",
        ),
        (
            "--subdomain",
            "a_b",
            "error: --subdomain: subdomain \"a_b\" has '_' at character 2, which is not allowed",
        ),
        (
            "--subdomain",
            &"a".repeat(64),
            "error: --subdomain: subdomain \"aaaa",
        ),
        (
            "--subdomain",
            "xn--80ak6aa92e",
            "error: --subdomain: subdomain \"xn--80ak6aa92e\" begins with `xn--` at character 1: punycode is not allowed",
        ),
        (
            "--subdomain",
            "www",
            "error: --subdomain: subdomain \"www\" is the reserved word `www`; choose another",
        ),
    ] {
        let ran = create(option, value);
        assert!(ran.refused(2).starts_with(message), "{ran:?}");
        assert!(
            ran.stderr.len() < 400,
            "what was given is cut: {}",
            ran.stderr.len()
        );
    }
    let mut command = place.command();
    command
        .args(["create", "TH001", "--name"])
        .arg(OsStr::from_bytes(b"Caf\xe9"));
    assert_eq!(
        Ran::of(&mut command).refused(2),
        "error: --name is not UTF-8 at byte 4\n"
    );
    assert_eq!(place.run(["list"]).done(), "no tenants\n");
}

#[test]
fn bad_data_directories_are_refused() {
    let place = Place::empty();
    let data = |path: &str, message: &str| {
        let ran = place.run(["--data", path, "list"]);
        assert!(ran.refused(2).contains(message), "{ran:?}");
    };
    data(
        "nowhere",
        "data directory \"nowhere\" does not exist; create it, or open it with `init`\nhint: `init` makes it, the first time\n",
    );
    std::fs::write(place.path().join("file"), "").expect("a file");
    data(
        "file",
        "/file\" is a regular file; give the path of a directory\n",
    );
    symlink("gone", place.path().join("dangling")).expect("a link");
    data(
        "dangling",
        "is a link that leads nowhere; give the path of a directory\n",
    );
    data(
        "",
        "a value is required for '--data <DIR>' but none was supplied",
    );
    data(
        "x/../y",
        "it is relative and has `..`; give the absolute path of a directory\n",
    );
    data(
        "/",
        "it is the root of the file system; give the absolute path of a directory\n",
    );
    std::fs::create_dir(place.path().join("open")).expect("a directory");
    std::fs::set_permissions(place.path().join("open"), PermissionsExt::from_mode(0o777))
        .expect("a mode");
    data("open", "has mode 0777 and belongs to user");
    // A name that means something to SQLite or a shell is a name like any other.
    let odd = "odd ' \" % ? # name";
    place.run(["--data", odd, "init"]).done();
    let created = place.run([
        "--data",
        odd,
        "create",
        "TH001",
        "--name",
        "Teaching Hospital",
    ]);
    assert!(
        created
            .done()
            .contains(r#"tenants --data 'odd '\'' " % ? # name' show TH001"#),
        "{created:?}"
    );
}

#[test]
fn a_wrong_command_line_ends_with_2_and_never_sends_escapes_to_the_terminal() {
    let place = Place::new();
    for arguments in [
        &["bogus"][..],
        &[],
        &["show"],
        &["show", "--all"],
        &["list", "--status", "happy"],
        &["--color", "mauve", "list"],
        &["bo\u{1b}[31mgus"],
        &["list", "--stat\u{1b}[31mus"],
        &["--color", "\u{1b}[31m", "list"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (2, ""),
            "{arguments:?}: {ran:?}"
        );
        assert!(!ran.stderr.contains('\u{1b}'), "{arguments:?}: {ran:?}");
        if !arguments.is_empty() {
            let (document, code) = place.json(arguments);
            assert_eq!(
                (document["error"]["kind"].as_str(), code),
                (Some("usage"), 2),
                "{document}"
            );
        }
    }
    let none = Ran::of(place.command().env_remove("TENANTS_DATA").arg("list"));
    assert_eq!(
        none.refused(2),
        "error: which data directory?\nhint: give `--data DIR`, or set TENANTS_DATA\n"
    );
}

#[test]
fn an_unknown_tenant_ends_with_6() {
    let place = Place::new();
    for verb in [
        "show",
        "path",
        "suspend",
        "resume",
        "archive",
        "unarchive",
        "compact",
        "migrations",
        "delete",
    ] {
        let ran = place.run([verb, "TH009"]);
        assert_eq!(
            ran.refused(6),
            "error: tenant `TH009` is not known\nhint: `list` shows those there are, `create` makes a new one\n",
            "{verb}"
        );
        let (document, code) = place.json([verb, "TH009"]);
        assert_eq!(
            (document["error"]["kind"].as_str(), code),
            (Some("not-found"), 6)
        );
    }
}

#[test]
fn help_and_version_are_results() {
    let place = Place::empty();
    let help = place.run(["--help"]);
    assert!(help.done().contains("Exit codes:"), "{help:?}");
    assert!(place.run(["--version"]).done().starts_with("tenants 0."));
    let verbs = help
        .stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1);
    for verb in verbs
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
    {
        place.run([verb, "--help"]).done();
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    place.run(["create-test", "3"]).done();
    let script = "set -o pipefail; \"$0\" routes | head -n 1";
    let mut shell = std::process::Command::new("bash");
    shell
        .current_dir(place.path())
        .args(["-c", script, env!("CARGO_BIN_EXE_tenants")]);
    let ran = Ran::of(&mut shell);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
}
