//! `docs/operations.md` is true: its commands are run in order and print what it says.
//!
//! `TENANTS_TOUR=overwrite` writes the outputs anew.
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Place, Ran, skipped, stable};

pub(crate) fn document() -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let text = std::fs::read_to_string(&path).expect("the document is there");
    (path, text)
}

/// The fenced blocks of one language, each with the line it begins at.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<(usize, Vec<&'a str>)> {
    let fence = format!("```{language}");
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Vec<&str>)> = None;
    for (number, line) in text.lines().enumerate() {
        match &mut open {
            Some((_, lines)) if line != "```" => lines.push(line),
            Some(_) => blocks.extend(open.take()),
            None if line == fence => open = Some((number + 1, Vec::new())),
            None => {}
        }
    }
    assert!(open.is_none(), "a block of {language} is not closed");
    blocks
}

/// Runs the commands of the tour one after the other, as somebody types them into one shell.
struct Shell {
    place: Place,
    /// What later commands need of earlier ones.
    exports: String,
    code: i32,
}

impl Shell {
    fn run(&mut self, command: &str) -> String {
        if command == "echo $?" {
            return format!("{}\n", self.code);
        }
        if let Some(variable) = command.strip_prefix("export ") {
            self.exports.push_str(&format!("export {variable}\n"));
            return String::new();
        }
        let directory = Path::new(env!("CARGO_BIN_EXE_tenants"))
            .parent()
            .expect("a directory");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &format!("{}{command}", self.exports)])
            .current_dir(self.place.path())
            .env_remove("TENANTS_DATA")
            .env_remove("NO_COLOR")
            .env("PATH", format!("{}:{path}", directory.display()))
            .stdin(std::process::Stdio::null());
        let ran = Ran::of(&mut shell);
        self.code = ran.code;
        let output = ran.stdout + &ran.stderr;
        // Where the data is differs from machine to machine; in the document it is where a reader would have it.
        output.replace(&self.place.path().display().to_string(), "/srv/hospitals")
    }
}

#[test]
fn every_command_of_the_tour_prints_what_it_says() {
    let (path, text) = document();
    let mut shell = Shell {
        place: Place::empty(),
        exports: String::new(),
        code: 0,
    };
    let mut written = text.clone();
    let mut commands = 0;
    for (line, lines) in blocks(&text, "console") {
        let mut found = String::new();
        for command in lines.iter().filter_map(|line| line.strip_prefix("$ ")) {
            found.push_str(&format!("$ {command}\n{}", shell.run(command)));
            commands += 1;
        }
        let expected = lines.join("\n") + "\n";
        if std::env::var_os("TENANTS_TOUR").is_some_and(|value| value == "overwrite") {
            written = written.replacen(
                &format!("```console\n{expected}```"),
                &format!("```console\n{found}```"),
                1,
            );
            continue;
        }
        assert_eq!(
            stable(&found),
            stable(&expected),
            "the block at line {line} of {}",
            path.display()
        );
    }
    assert!(commands > 50, "only {commands} commands were found");
    if written != text {
        std::fs::write(&path, written).expect("the document can be written");
    }
}

#[test]
fn every_command_there_is_stands_in_the_document() {
    let (_, text) = document();
    let table = text.split("## The commands").nth(1).expect("a section");
    let table = table.split("\n## ").next().expect("its text");
    let help = Place::empty().run(["--help"]);
    let verbs = help
        .done()
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1);
    let verbs = verbs
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next());
    let mut verbs: Vec<&str> = verbs.filter(|verb| *verb != "help").collect();
    let mut named: Vec<&str> = table.split('`').skip(1).step_by(2).collect();
    verbs.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, verbs);
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let (_, text) = document();
    let help = Place::empty().run(["--help"]);
    let of_help = help
        .done()
        .lines()
        .skip_while(|line| *line != "Exit codes:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let of_help: Vec<&str> = of_help
        .map(|line| line.trim().split("  ").nth(1).expect("a meaning"))
        .collect();
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("| code |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let rows: Vec<&str> = rows
        .map(|row| row.split('|').nth(2).expect("a meaning").trim())
        .collect();
    assert_eq!(of_help.len(), rows.len());
    for (meaning, row) in of_help.iter().zip(rows) {
        let meaning = meaning.split(" (").next().expect("a text");
        assert!(row.starts_with(meaning), "{row:?} and {meaning:?}");
    }
}

/// The scripts that run by themselves do: on a directory of the test's, the nightly one twice, as cron and systemd call it.
#[test]
fn the_scripts_that_run_by_themselves_do() {
    let (_, text) = document();
    let place = Place::new();
    place.create("TH001");
    place.create("TEST001");
    let backups = place.path().join("backups");
    let run = |lines: &[&str]| {
        let script = lines.join("\n");
        let script = script.replace("/srv/hospitals/data", &place.data().display().to_string());
        let script = script.replace("/mnt/backups/hospitals", &backups.display().to_string());
        let directory = Path::new(env!("CARGO_BIN_EXE_tenants"));
        let directory = directory.parent().expect("a directory");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script])
            .env_remove("TENANTS_DATA")
            .env("PATH", format!("{}:{path}", directory.display()))
            .stdin(std::process::Stdio::null());
        Ran::of(&mut shell)
    };
    let named = |name: &str| {
        let blocks = blocks(&text, "sh");
        let found = blocks
            .into_iter()
            .find(|(_, lines)| lines.join("\n").contains(name));
        found.expect("the script is there").1
    };
    let nightly = named("/usr/local/bin/tenants-nightly");
    // The disk is not mounted: nothing is made in its place, and the failure is told, also by what comes after it.
    let unmounted = run(&nightly);
    assert_eq!(
        (unmounted.code, backups.exists()),
        (3, false),
        "{unmounted:?}"
    );
    assert!(unmounted.stderr.contains("error: "), "{unmounted:?}");
    assert!(
        unmounted.stdout.contains("TH001 has no backup"),
        "{unmounted:?}"
    );
    std::fs::create_dir(&backups).expect("a directory");
    for _ in 0..2 {
        let ran = run(&nightly);
        assert!(ran.done().contains("2 tenants, nothing to do"), "{ran:?}");
    }
    let (log, _) = place.json(["audit", "list", "--actor", "cron:nightly"]);
    assert!(!log["entries"].as_array().expect("a list").is_empty());
    for (language, line) in [("cron", "15 2 * * * "), ("ini", "ExecStart=/bin/sh ")] {
        let called = blocks(&text, language).iter().any(|(_, lines)| {
            lines.contains(&format!("{line}/usr/local/bin/tenants-nightly").as_str())
        });
        assert!(called, "{language} calls another script");
    }
    run(&named("migrate --all --backup")).done();

    // One hospital that cannot be backed up keeps neither the old backups of the others nor their drills from their turn.
    let drills = || {
        let (log, _) = place.json(["audit", "list", "--action", "drill.end"]);
        log["entries"].as_array().expect("a list").len()
    };
    let (damaged, before) = (place.run(["path", "TEST001"]), drills());
    std::fs::write(place.path().join(damaged.done().trim()), "damaged").expect("it is written");
    for _ in 0..2 {
        let ran = run(&nightly);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stdout.contains("2 tenants, nothing to do"), "{ran:?}");
    }
    let (kept, _) = place.json(["backups", "TH001"]);
    let kept = kept["backups"].as_array().expect("a list").len();
    assert_eq!((kept, drills() - before), (3, 6), "backups, drills");
}

#[test]
fn scripts_and_units_are_sound() {
    let (_, text) = document();
    for (line, lines) in blocks(&text, "sh") {
        let script = lines.join("\n");
        let ran = Ran::of(Command::new("bash").args(["-n", "-c", &script]));
        assert_eq!(
            (ran.code, ran.stderr.as_str()),
            (0, ""),
            "the script at line {line}"
        );
        // Each command of it is one that clap accepts.
        for command in lines.iter().filter(|line| line.starts_with("tenants ")) {
            let verb = command.split_whitespace().nth(1).expect("a verb");
            assert_ne!(Place::empty().run([verb, "--help"]).code, 2, "{command}");
        }
    }
    for (line, lines) in blocks(&text, "cron") {
        let jobs: Vec<&&str> = lines.iter().filter(|line| !line.contains('=')).collect();
        assert!(!jobs.is_empty(), "no job in the table at line {line}");
        for job in jobs {
            let fields: Vec<&str> = job.split_whitespace().collect();
            assert_eq!(fields.len(), 6, "{job}");
            let field = |c: char| c.is_ascii_digit() || "*,/-".contains(c);
            assert!(fields[..5].iter().all(|it| it.chars().all(field)), "{job}");
        }
    }
    let units = blocks(&text, "ini");
    assert_eq!(units.len(), 2);
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        assert!(
            std::env::var_os("DIESEL_TENANTS_NO_SKIP").is_none(),
            "there is no systemd-analyze to check the units with"
        );
        skipped("there is no systemd-analyze to check the units with");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut paths = Vec::new();
    for (_, lines) in units {
        let name = lines[0]
            .rsplit('/')
            .next()
            .expect("the name is in the first line");
        let path = directory.path().join(name);
        // The user and the disks of the recipe are not on this machine.
        let unit = lines
            .iter()
            .filter(|line| !line.starts_with("User=") && !line.starts_with("RequiresMountsFor="));
        let unit: Vec<&str> = unit.copied().collect();
        std::fs::write(&path, unit.join("\n")).expect("it can be written");
        paths.push(path);
    }
    let ran = Ran::of(
        Command::new("systemd-analyze")
            .args(["verify", "--recursive-errors=no"])
            .args(paths),
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
}

/// `set -e` ended it at the 3 of `restore-shared`, before `doctor` could say what to do.
#[test]
fn the_recipe_for_a_lost_shared_database_says_how_to_go_on() {
    let (_, text) = document();
    let place = Place::new();
    let (taken, _) = place.json(["backup", "--shared"]);
    let backup = taken["backups"][0]["path"].as_str().expect("a path");
    place.create("NEW001");
    let scripts = blocks(&text, "sh");
    let recipe = scripts
        .into_iter()
        .map(|(_, lines)| lines.join("\n"))
        .find(|script| script.contains("restore-shared"))
        .expect("there is a recipe");
    let script = recipe
        .replace("/srv/hospitals", &place.path().display().to_string())
        .replace("/mnt/backups/hospitals/shared-…", backup);
    let mut shell = Shell {
        place,
        exports: String::new(),
        code: 0,
    };
    let said = shell.run(&script);
    assert!(said.contains("tenants reclaim "), "{said}");
    assert!(said.contains("! the database of NEW001 is there"), "{said}");
    assert_eq!(shell.code, 3, "{said}");
}
