//! Files as they lie there: of any page size and encoding, in use, or of this library itself.
use super::*;

#[test]
fn a_database_of_this_library_is_not_another_program_s() {
    let fleet = fleet();
    let tenant = fleet.create("A1");
    let file = fleet.file(&tenant, 1);
    for own in [file.clone(), fleet.root.join("shared.sqlite3")] {
        let error = fleet.tenancy.inspect(&own, &renamed()).unwrap_err();
        assert!(matches!(error, AdoptError::OwnFile { .. }), "{error}");
        // Not by way of a link to the directory either.
        let link = fleet.root.with_file_name("link");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(own.parent().unwrap(), &link).unwrap();
        let error = fleet
            .tenancy
            .inspect(link.join(own.file_name().unwrap()), &renamed())
            .unwrap_err();
        assert!(matches!(error, AdoptError::OwnFile { .. }), "{error}");
    }
    // One that was carried elsewhere says itself whose it is.
    drop(tenant);
    let away = fleet.root.with_file_name("away.sqlite3");
    let Fleet { tenancy, .. } = &fleet;
    tenancy.compact(&id("A1")).unwrap();
    let tenant = tenancy.handle(&id("A1")).unwrap();
    std::fs::copy(fleet.file(&tenant, 2), &away).unwrap();
    let error = tenancy.inspect(&away, &renamed()).unwrap_err();
    assert!(
        matches!(&error, AdoptError::Stamped { tenant: Some(id), .. } if id == "A1"),
        "{error}"
    );
}

/// Formats a file can have beside the usual one.
#[test]
fn every_page_size_and_encoding_works() {
    let fleet = fleet();
    for (number, pragma) in [
        "page_size = 512",
        "page_size = 65536",
        "encoding = 'UTF-16le'",
        "encoding = 'UTF-16be'",
        "auto_vacuum = FULL",
        "auto_vacuum = INCREMENTAL",
        "journal_mode = PERSIST",
        "journal_mode = TRUNCATE",
        "journal_mode = WAL",
    ]
    .into_iter()
    .enumerate()
    {
        let home = fleet.root.with_file_name(format!("format{number}"));
        std::fs::create_dir(&home).unwrap();
        let path = home.join("db.sqlite3");
        made_of(
            &path,
            &format!(
                "PRAGMA {pragma}; {OLD} UPDATE patients_patient SET full_name = 'Zoë 🏥' WHERE id = 1;"
            ),
        );
        let before = everything(&home);
        let name = format!("F{number}");
        fleet
            .tenancy
            .inspect(&path, &renamed())
            .unwrap_or_else(|error| panic!("{pragma}: {error:?}"));
        let adopted = fleet.tenancy.adopt(
            &id(&name),
            new(),
            &path,
            &renamed(),
            &AdoptOptions::default(),
        );
        let adopted = adopted.unwrap_or_else(|error| panic!("{pragma}: {error:?}"));
        assert_eq!(
            names(&mut adopted.tenant.enter().unwrap())[0],
            "Zoë 🏥",
            "{pragma}"
        );
        assert_eq!(everything(&home), before, "{pragma}");
    }
    world::check(&fleet.root);
}

/// A process of another program that holds `sql` open, or died over it.
fn other_program(path: &Path, sql: &str, dies: bool) -> std::process::Child {
    use std::io::{BufRead, Write};
    let script = format!(
        "import sqlite3, sys, os\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
         c.executescript(sys.stdin.readline().replace('\\x01', '\\n'))\nprint('ready', flush=True)\n{}",
        if dies {
            "os._exit(0)"
        } else {
            "sys.stdin.read()"
        }
    );
    let mut child = Command::new("python3")
        .args(["-c", &script])
        .arg(path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.as_mut().unwrap();
    writeln!(input, "{}", sql.replace('\n', "\x01")).unwrap();
    let mut line = String::new();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    if dies {
        child.wait().unwrap();
    }
    child
}

/// Files as a running or a crashed program leaves them. Where they can be read, all that is committed is taken over.
#[test]
fn a_live_file_is_read_and_one_left_half_written_is_refused() {
    if Command::new("python3").arg("--version").output().is_err() {
        crashes::skip("no python3 to be another program");
        return;
    }
    let spill = "PRAGMA cache_size = 1; BEGIN; INSERT INTO patients_patient (full_name, room) \
                 SELECT hex(zeroblob(500)), 'x' FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500) SELECT i FROM n);";
    let insert = "INSERT INTO patients_patient VALUES (9, 'Late', 'A');";
    let wal = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;";
    let fleet = fleet();
    type Check = fn(&Result<Vec<String>, AdoptError>) -> bool;
    let late: Check = |got| {
        got.as_ref()
            .is_ok_and(|names| names.len() == 4 && names[3] == "Late")
    };
    let three: Check = |got| got.as_ref().is_ok_and(|names| names.len() == 3);
    let recovery: Check = |got| matches!(got, Err(AdoptError::NeedsRecovery { .. }));
    let cases: [(&str, String, bool, bool, Check); 7] = [
        ("open and idle", insert.to_owned(), false, false, late),
        (
            "reading",
            format!("{insert} BEGIN; SELECT count(*) FROM patients_patient;"),
            false,
            false,
            late,
        ),
        (
            "about to write",
            format!("BEGIN; {insert}"),
            false,
            false,
            three,
        ),
        ("a hot journal", spill.to_owned(), true, false, recovery),
        (
            "open with a log",
            format!("{wal} {insert}"),
            false,
            false,
            late,
        ),
        (
            "dead with a log",
            format!("{wal} {insert}"),
            true,
            false,
            late,
        ),
        (
            "dead with a log, its memory gone",
            format!("{wal} {insert}"),
            true,
            true,
            recovery,
        ),
    ];
    for (number, (case, sql, dies, without_memory, check)) in cases.into_iter().enumerate() {
        let home = fleet.root.with_file_name(format!("live{number}"));
        std::fs::create_dir(&home).unwrap();
        let path = home.join("db.sqlite3");
        made_of(&path, OLD);
        let mut program = other_program(&path, &sql, dies);
        if without_memory {
            std::fs::remove_file(home.join("db.sqlite3-shm")).unwrap();
        }
        // Looked at in a process of its own: reading a live file would take this one's locks away.
        let before = everything(&home);
        let inspected = fleet.tenancy.inspect(&path, &renamed());
        let name = format!("L{number}");
        let adopted = fleet.tenancy.adopt(
            &id(&name),
            new(),
            &path,
            &renamed(),
            &AdoptOptions::default(),
        );
        assert_eq!(everything(&home), before, "{case}");
        assert_eq!(inspected.is_ok(), adopted.is_ok(), "{case}: {inspected:?}");
        let got = adopted.map(|adopted| names(&mut adopted.tenant.enter().unwrap()));
        assert!(check(&got), "{case}: {got:?}");
        program.kill().ok();
        program.wait().unwrap();
    }
    world::check(&fleet.root);
}
