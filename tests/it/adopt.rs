//! Databases of other programs: inspected and taken over, and never changed by a byte.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel_tenants::adopt::{AdoptError, AdoptOptions, Inspection, Mapping, Misfit, Reason};
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::prelude::*;

use crate::actors::{say, told};
use crate::app::{Fleet, builder, fleet, names};
use crate::crashes::{self, Operation};
use crate::dump::{dump_of, root_of};
use crate::world;

mod refused;

const DJANGO: &str = include_str!("adopt/django.sql");
const HOSPITAL: &str = include_str!("../../examples/data/django-hospital.mapping.toml");

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn new() -> NewTenant {
    NewTenant::named("Teaching Hospital")
}

fn raw(path: &Path) -> SqliteConnection {
    if !path.exists() {
        std::fs::write(path, "").unwrap();
    }
    SqliteConnection::establish(path.to_str().unwrap()).unwrap()
}

fn made_of(path: &Path, sql: &str) {
    // Files of that kind refer to tables that are in another one.
    let sql = format!("PRAGMA foreign_keys = OFF; {sql}");
    raw(path).batch_execute(&sql).unwrap();
}

/// Everything in a directory: names, bytes, modes, times.
fn everything(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32, std::time::SystemTime)> {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        let bytes = if found.is_file() {
            std::fs::read(entry.path()).unwrap()
        } else {
            Vec::new()
        };
        (
            entry.path(),
            (bytes, found.mode(), found.modified().unwrap()),
        )
    });
    entries.collect()
}

/// A directory `hospitals/TH001` with a file in it, beside the data directory.
fn old_home(fleet: &Fleet) -> PathBuf {
    let home = fleet.root.with_file_name("hospitals").join("TH001");
    std::fs::create_dir_all(&home).unwrap();
    home
}

const OLD: &str = "
    CREATE TABLE patients_patient (id integer PRIMARY KEY, full_name varchar(10) NOT NULL, room text);
    INSERT INTO patients_patient VALUES (1, 'Ada', 'A'), (2, 'Ben', ''), (3, 'Cy the long-named', 'B');
    CREATE TABLE visits (id integer PRIMARY KEY, reason text NOT NULL, patient_id integer NOT NULL);
    INSERT INTO visits VALUES (1, 'x', 1);
    CREATE TABLE auth_group (id integer PRIMARY KEY);
    INSERT INTO auth_group VALUES (1);
    CREATE TABLE extras (id integer PRIMARY KEY);
    INSERT INTO extras VALUES (1), (2);";

const RENAMED: &str = r#"
    format = 1
    [[table]]
    from = "patients_patient"
    to = "patients"
    columns = { name = "full_name", ward = { from = "room", empty_is_null = true, default = "none" } }
"#;

fn renamed() -> Mapping {
    RENAMED.parse().unwrap()
}

#[test]
fn tables_of_other_names_are_taken_over_and_the_original_stays_as_it_was() {
    let fleet = fleet();
    let home = old_home(&fleet);
    let path = home.join("db.sqlite3");
    made_of(&path, OLD);
    let before = everything(&home);

    let seen = fleet.tenancy.inspect(&path, &renamed()).unwrap();
    assert!(seen.adoptable, "{seen}");
    assert_eq!(fleet.tenancy.tenants().unwrap().len(), 0);
    let left: Vec<_> = seen
        .left_over
        .iter()
        .map(|left| (left.table.as_str(), left.rows))
        .collect();
    assert_eq!(left, [("extras", 2)]);
    assert_eq!(seen.ignored[0].table, "auth_group");
    assert_eq!(seen.tables[0].too_long, [("full_name".to_owned(), 1)]);

    let options = AdoptOptions::default();
    let adopted = fleet
        .tenancy
        .adopt(&id("TH001"), new(), &path, &renamed(), &options)
        .unwrap();
    assert_eq!(adopted.inspection, seen);
    assert_eq!(everything(&home), before);
    let mut ctx = adopted.tenant.enter().unwrap();
    assert_eq!(names(&mut ctx), ["Ada", "Ben", "Cy the long-named"]);
    drop(ctx);
    let found = dump_of(&fleet.tenancy, "TH001");
    assert_eq!(found["patients"][1], "integer:32 text:42656E text:6E6F6E65");
    assert_eq!(found["visits"].len(), 1);
    world::check(&fleet.root);

    let error = fleet.tenancy.adopt(
        &id("TH002"),
        new(),
        &path,
        &renamed(),
        &AdoptOptions::nothing_left_over(),
    );
    let Err(AdoptError::NotAdoptable { inspection }) = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(&inspection.reasons[..], [Reason::LeftOver { rows: 2, .. }]),
        "{inspection}"
    );
    world::check(&fleet.root);
}

fn reasons(schema: &str, mapping: &str) -> Inspection {
    let fleet = fleet();
    let path = fleet.root.with_file_name("old.sqlite3");
    made_of(&path, schema);
    let mapping = format!("format = 1\n{mapping}").parse().unwrap();
    let inspection = fleet.tenancy.inspect(&path, &mapping).unwrap();
    assert_eq!(inspection.adoptable, inspection.reasons.is_empty());
    // Adopting fails with the same, and leaves nothing.
    match fleet.tenancy.adopt(
        &id("TH001"),
        new(),
        &path,
        &mapping,
        &AdoptOptions::default(),
    ) {
        Ok(adopted) => assert_eq!(adopted.inspection, inspection),
        Err(AdoptError::NotAdoptable { inspection: found }) => assert_eq!(*found, inspection),
        Err(other) => panic!("{other:?}"),
    }
    world::check(&fleet.root);
    inspection
}

#[test]
fn every_reason_is_named_and_none_shows_a_value() {
    let people = "CREATE TABLE people (id integer PRIMARY KEY, name text, ward text, born real);
         INSERT INTO people VALUES (1, 'SECRET', 'A', 1.5), (2, NULL, 'B', 2.5), (3, NULL, x'5345', 3.5), (4, 'x', 'C', 4);";
    let to_patients = "[[table]]\nfrom = \"people\"\nto = \"patients\"\n";
    let column = |rule: &str| format!("{to_patients}[table.columns]\n{rule}\n");
    let cases = [
        ("", "none of its tables becomes one of ours"),
        (
            "require = [\"patients_patient\"]",
            "no table `patients_patient`, which the mapping requires",
        ),
        (
            "[[table]]\nfrom = \"people\"\nto = \"pateints\"",
            "did you mean `patients`?",
        ),
        (&column("nmae = \"name\""), "did you mean `name`?"),
        (&column("name = \"nmae\""), "did you mean `name`?"),
        (
            "[[table]]\nfrom = \"people\"\nto = \"visits\"\n",
            "nothing fills `patient_id` of `visits`",
        ),
        (
            to_patients,
            "2 values for `name` of `patients` are NULL where a value is needed (the first in row 2)",
        ),
        (
            &column("name = { from = \"born\" }"),
            "4 values for `name` of `patients` are another kind of value",
        ),
        (
            &column("name = { from = \"name\", words = { x = \"y\" } }"),
            "1 values for `name` of `patients` are a word the mapping",
        ),
        (
            &column("name = \"ward\""),
            "1 values for `ward` of `patients` are another kind",
        ),
        (
            &column("name = { constant = \"n\" }\nid = { constant = 7 }"),
            "`patients` refuses 2 rows (the first is row 2): UNIQUE constraint failed: patients.id",
        ),
        (
            "[[table]]\nfrom = \"people\"\nto = \"visits\"\ncolumns = { reason = { constant = \"r\" }, patient_id = { from = \"id\" } }",
            "4 rows of `visits` refer by `patient_id` to rows of `patients` that are not there",
        ),
    ];
    for (mapping, says) in cases {
        let inspection = reasons(people, mapping);
        let text = inspection.to_string();
        assert!(text.contains(says), "{mapping}\n{text}");
        let json = serde_json::to_string(&inspection).unwrap();
        for shown in [text, json, format!("{inspection:?}")] {
            assert!(
                !shown.contains("SECRET") && !shown.contains("5345"),
                "{shown}"
            );
        }
    }
    // What is skipped is counted, and what is not there is said.
    let skipping = format!(
        "{to_patients}skip = {{ id = [3] }}\nskip_null = [\"name\"]\n[[table]]\nfrom = \"gone\"\nto = \"visits\""
    );
    let inspection = reasons(people, &skipping);
    assert!(inspection.adoptable, "{inspection}");
    assert_eq!(
        (inspection.tables[0].skipped, inspection.tables[0].taken),
        (2, 2)
    );
    assert_eq!(inspection.absent, ["gone"]);
    assert_eq!(inspection.tables[0].left_over, ["born"]);
}

#[test]
fn references_that_lead_nowhere_can_become_null() {
    const TENANT: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER REFERENCES a (id));";
    let dir = crate::scratch::dir();
    let tenancy = builder(&dir.path().join("data"))
        .tenant_migrations(MigrationScript::new("1", "a", TENANT))
        .open()
        .unwrap();
    let path = dir.path().join("old.sqlite3");
    made_of(
        &path,
        "CREATE TABLE a (id integer PRIMARY KEY, b integer); INSERT INTO a VALUES (1, 2), (2, 9), (3, NULL);",
    );
    let refused = tenancy.inspect(&path, &Mapping::default()).unwrap();
    assert!(
        matches!(&refused.reasons[..], [Reason::Orphans { rows: 1, .. }]),
        "{refused}"
    );
    let mapping: Mapping = "format = 1\n[[table]]\nfrom = \"a\"\ncolumns = { b = { from = \"b\", orphans = \"null\" } }".parse().unwrap();
    let adopted = tenancy
        .adopt(&id("A1"), new(), &path, &mapping, &AdoptOptions::default())
        .unwrap();
    assert_eq!(adopted.inspection.tables[0].cleared, [("b".to_owned(), 1)]);
    assert_eq!(
        dump_of(&tenancy, "A1")["a"],
        [
            "integer:31 integer:32",
            "integer:32 null:",
            "integer:33 null:"
        ]
    );
}

type Damage = fn(&Path);
type Refused = fn(&AdoptError) -> bool;

#[test]
fn what_cannot_be_adopted_is_refused_by_name() {
    let cases: [(&str, Damage, Refused); 11] = [
        (
            "missing",
            |path| std::fs::remove_file(path).unwrap(),
            |e| matches!(e, AdoptError::Missing { .. }),
        ),
        (
            "empty",
            |path| std::fs::write(path, "").unwrap(),
            |e| matches!(e, AdoptError::Empty { .. }),
        ),
        (
            "text",
            |path| std::fs::write(path, [b'x'; 4096]).unwrap(),
            |e| matches!(e, AdoptError::NotADatabase { .. }),
        ),
        (
            "cut",
            |path| {
                let bytes = std::fs::read(path).unwrap();
                std::fs::write(path, &bytes[..bytes.len() - 4096]).unwrap();
            },
            |e| matches!(e, AdoptError::Damaged { .. }),
        ),
        (
            "cut in a page",
            |path| {
                let bytes = std::fs::read(path).unwrap();
                std::fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
            },
            |e| matches!(e, AdoptError::Damaged { .. }),
        ),
        (
            "encrypted",
            |path| {
                let bytes: Vec<u8> = std::fs::read(path)
                    .unwrap()
                    .iter()
                    .map(|byte| byte ^ 0x5a)
                    .collect();
                std::fs::write(path, bytes).unwrap();
            },
            |e| matches!(e, AdoptError::NotADatabase { .. }),
        ),
        (
            "a page that is its own child",
            |path| {
                let mut bytes = std::fs::read(path).unwrap();
                // The root page of the table becomes an inner page whose right-most child is itself.
                bytes[4096] = 5;
                bytes[4096 + 3..4096 + 5].copy_from_slice(&[0, 0]);
                bytes[4096 + 8..4096 + 12].copy_from_slice(&2_u32.to_be_bytes());
                std::fs::write(path, bytes).unwrap();
            },
            |e| matches!(e, AdoptError::Damaged { .. }),
        ),
        (
            "link",
            |path| {
                let real = path.with_extension("real");
                std::fs::rename(path, &real).unwrap();
                std::os::unix::fs::symlink(&real, path).unwrap();
            },
            |e| matches!(e, AdoptError::NotAFile { .. }),
        ),
        (
            "pipe",
            |path| {
                std::fs::remove_file(path).unwrap();
                assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
            },
            |e| matches!(e, AdoptError::NotAFile { .. }),
        ),
        (
            "directory",
            |path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            },
            |e| matches!(e, AdoptError::NotAFile { .. }),
        ),
        (
            "two names",
            |path| std::fs::hard_link(path, path.with_extension("again")).unwrap(),
            |e| matches!(e, AdoptError::ManyNames { names: 2, .. }),
        ),
    ];
    let fleet = fleet();
    for (case, damage, refused) in cases {
        let home = fleet.root.with_file_name(case);
        std::fs::create_dir(&home).unwrap();
        let path = home.join("db.sqlite3");
        made_of(&path, OLD);
        damage(&path);
        let names: Vec<_> = std::fs::read_dir(&home)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        let error = fleet.tenancy.inspect(&path, &renamed()).unwrap_err();
        assert!(refused(&error), "{case}: {error:?}");
        let error = fleet
            .tenancy
            .adopt(
                &id("TH001"),
                new(),
                &path,
                &renamed(),
                &AdoptOptions::default(),
            )
            .unwrap_err();
        assert!(refused(&error), "{case}: {error:?}");
        assert!(!error.is_retryable());
        let after: Vec<_> = std::fs::read_dir(&home)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, after, "{case}");
    }
    world::check(&fleet.root);
}

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

/// Nothing that is written into the file of another program is run.
#[test]
fn a_hostile_schema_does_nothing() {
    let fleet = fleet();
    let path = fleet.root.with_file_name("old.sqlite3");
    made_of(
        &path,
        &format!(
            "{OLD}
             CREATE VIEW archive AS SELECT 1 AS id, load_extension('x') AS name, 'w' AS ward;
             CREATE VIRTUAL TABLE words USING fts5 (word);
             CREATE TRIGGER t AFTER INSERT ON patients_patient BEGIN SELECT load_extension('x'); END;
             CREATE TABLE checked (id integer CHECK (id < 9));
             PRAGMA ignore_check_constraints = ON; INSERT INTO checked VALUES (10);
             CREATE TABLE \"'; DROP TABLE patients; --\" (\"\"\"x\" text);"
        ),
    );
    let adopted = fleet
        .tenancy
        .adopt(
            &id("TH001"),
            new(),
            &path,
            &renamed(),
            &AdoptOptions::default(),
        )
        .unwrap();
    assert_eq!(adopted.inspection.not_tables, ["archive", "words"]);
    let found = dump_of(&fleet.tenancy, "TH001");
    assert_eq!(found["patients"].len(), 3);
    assert!(found["archive"].is_empty());
    assert!(
        !found[" definitions"]
            .iter()
            .any(|sql| sql.contains("TRIGGER") || sql.contains("words"))
    );
    world::check(&fleet.root);
}

/// Triggers of our own schema do not run over rows that another program made, and are there afterwards.
#[test]
fn our_own_triggers_are_put_aside() {
    const TENANT: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE log (id INTEGER);
        CREATE TRIGGER logs AFTER INSERT ON a BEGIN INSERT INTO log VALUES (NEW.id); END;";
    let dir = crate::scratch::dir();
    let tenancy = builder(&dir.path().join("data"))
        .tenant_migrations(MigrationScript::new("1", "a", TENANT))
        .open()
        .unwrap();
    let path = dir.path().join("old.sqlite3");
    made_of(
        &path,
        "CREATE TABLE a (id integer); INSERT INTO a VALUES (1);",
    );
    let adopted = tenancy
        .adopt(
            &id("A1"),
            new(),
            &path,
            &Mapping::default(),
            &AdoptOptions::default(),
        )
        .unwrap();
    let found = dump_of(&tenancy, "A1");
    assert_eq!((found["a"].len(), found["log"].len()), (1, 0));
    let mut ctx = adopted.tenant.enter().unwrap();
    ctx.unrouted("write", |raw| {
        raw.connection().batch_execute("INSERT INTO a VALUES (2)")
    })
    .unwrap();
    drop(ctx);
    assert_eq!(dump_of(&tenancy, "A1")["log"].len(), 1);
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn hospital(root: &Path) -> Tenancy {
    Tenancy::builder(&ROUTES)
        .sqlite(root)
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .open()
        .unwrap()
}

/// One hospital's file, as Django made and filled it, becomes a tenant of the hospital model.
#[test]
fn a_django_hospital_becomes_a_tenant() {
    use diesel_tenants::models::schema::tenant::{appointments, patients};
    let dir = crate::scratch::dir();
    let home = dir.path().join("hospitals/TH001");
    std::fs::create_dir_all(&home).unwrap();
    let path = home.join("db.sqlite3");
    made_of(&path, DJANGO);
    let tenancy = hospital(&dir.path().join("data"));
    let mapping: Mapping = HOSPITAL.parse().unwrap();
    let before = everything(&home);

    let seen = tenancy.inspect(&path, &mapping).unwrap();
    assert!(seen.adoptable, "{seen}");
    let adopted = tenancy
        .adopt(
            &id("TH001"),
            new(),
            &path,
            &mapping,
            &AdoptOptions::default(),
        )
        .unwrap();
    assert_eq!(everything(&home), before);
    assert_eq!(adopted.inspection, seen);
    let ignored: Vec<_> = seen
        .ignored
        .iter()
        .map(|left| left.table.as_str())
        .collect();
    assert_eq!(
        ignored,
        [
            "auth_permission",
            "django_celery_beat_crontabschedule",
            "django_content_type",
            "django_migrations"
        ]
    );
    let left: Vec<_> = seen
        .left_over
        .iter()
        .map(|left| (left.table.as_str(), left.rows))
        .collect();
    assert_eq!(
        left,
        [("billing_servicecategory", 1), ("contact_contact", 1)]
    );
    let of = |table: &str| seen.tables.iter().find(|fit| fit.to == table).unwrap();
    assert_eq!(
        (of("appointments").taken, of("appointments").skipped),
        (2, 1)
    );
    assert_eq!(
        of("appointments").too_long,
        [("appointment_number".to_owned(), 2)]
    );
    assert_eq!(
        of("appointments").cleared,
        [("previous_appointment_id".to_owned(), 1)]
    );
    assert_eq!(of("patients").unresolved, [("registered_by".to_owned(), 2)]);

    let mut ctx = adopted.tenant.enter().unwrap();
    let joined = appointments::table
        .inner_join(patients::table)
        .order(appointments::number);
    let rows = joined
        .select((
            patients::given_name,
            appointments::fee,
            appointments::starts_at,
        ))
        .load::<(String, diesel_tenants::money::Money, chrono::NaiveDateTime)>(&mut ctx)
        .unwrap();
    let shown: Vec<_> = rows
        .iter()
        .map(|(name, fee, at)| format!("{name} {} {at}", fee.0))
        .collect();
    assert_eq!(
        shown,
        [
            "Ada 9995 2026-04-18 09:15:00",
            "Бен 10000 2026-04-18 09:45:00"
        ]
    );
    let mut lines = |sql: &str| {
        let lines = ctx
            .unrouted("look", |raw| diesel::sql_query(sql).load::<Line>(raw))
            .unwrap();
        lines.into_iter().map(|row| row.line).collect::<Vec<_>>()
    };
    for (sql, wanted) in [
        (
            "SELECT lower(hex(id)) || ' ' || sex || ' ' || coalesce(email, '-') || ' ' || coalesce(address, '-') || ' ' || created_at AS line FROM patients ORDER BY number",
            &[
                "0a1b2c3d4e5f60718293a4b5c6d7e8f9 female ada@example.org Street 1, Floor 2 2025-08-16 10:00:00.654321",
                "1a1b2c3d4e5f60718293a4b5c6d7e8f9 male - Street 2 2025-08-17 10:00:00",
                "2a1b2c3d4e5f60718293a4b5c6d7e8f9 unknown - - 2025-08-18 10:00:00",
            ][..],
        ),
        (
            "SELECT s.kind || ' ' || s.given_name || ' ' || coalesce(d.number, '-') AS line FROM staff_members s LEFT JOIN doctors d ON d.staff_member_id = s.id ORDER BY 1",
            &[
                "doctor Amina DR-2025-0A1B2C3D",
                "doctor Jonas LIC-2",
                "support Rosa -",
            ],
        ),
        (
            "SELECT weekday || ' ' || starts_at AS line FROM doctor_schedules ORDER BY 1",
            &["1 08:00:00", "7 09:00:00"],
        ),
        (
            "SELECT d.name || ' ' || s.salary AS line FROM staff_members s JOIN departments d ON d.id = s.department_id",
            &["Emergency 245050"],
        ),
        (
            "SELECT tax_basis_points || ' ' || total_amount || ' ' || paid_amount || ' ' || state || ' ' || notes AS line FROM invoices",
            &["1900 23844 10000 partially_paid call"],
        ),
        (
            "SELECT i.description || ' ' || i.unit_price || ' ' || coalesce(s.code, '-') AS line FROM invoice_items i LEFT JOIN services s ON s.id = i.service_id ORDER BY 1",
            &["Consultation 15047 -", "Electrocardiogram 4990 ECG"],
        ),
        (
            "SELECT payment_method || ' ' || amount || ' ' || reference AS line FROM payments",
            &["card 10000 tx-1"],
        ),
        // 0.105 is half-way between two cents, and goes to the even one.
        (
            "SELECT m.code || ' ' || m.cost_price || ' ' || c.name || ' ' || f.code || ' ' || lower(hex(m.created_by)) AS line FROM medicines m JOIN drug_categories c ON c.id = m.drug_category_id JOIN manufacturers f ON f.id = m.manufacturer_id",
            &["MED-000001 10 Analgesics MKR 99000000000000000000000000000001"],
        ),
        (
            "SELECT sale_number || ' ' || net_amount || ' ' || lower(hex(hospital_id)) AS line FROM pharmacy_sales",
            &["TH001-SALE-20260418-00001 268 77000000000000000000000000000001"],
        ),
        (
            "SELECT quantity || ' ' || total_amount AS line FROM pharmacy_sale_items",
            &["2 250"],
        ),
        (
            "SELECT from_state || ' ' || to_state AS line FROM appointment_events",
            &["scheduled completed"],
        ),
        (
            "SELECT (SELECT registered_by FROM patients WHERE registered_by IS NOT NULL LIMIT 1) = (SELECT processed_by FROM payments) AS line",
            &["1"],
        ),
    ] {
        assert_eq!(lines(sql), wanted, "{sql}");
    }
    drop(ctx);

    // The same file under the same id gives the same keys, and under another one others, but for UUIDs and users.
    let once = dump_of(&tenancy, "TH001");
    let elsewhere = hospital(&dir.path().join("elsewhere"));
    elsewhere
        .adopt(
            &id("th001"),
            new(),
            &path,
            &mapping,
            &AdoptOptions::default(),
        )
        .unwrap();
    assert_eq!(dump_of(&elsewhere, "TH001"), once);
    elsewhere
        .adopt(
            &id("TH002"),
            new(),
            &path,
            &mapping,
            &AdoptOptions::default(),
        )
        .unwrap();
    let other = dump_of(&elsewhere, "TH002");
    assert_eq!(
        (&other["patients"], &other["payments"]),
        (&once["patients"], &once["payments"])
    );
    assert_ne!(other["doctors"], once["doctors"]);
}

/// The columns and words of the shipped mapping are those of the model, also for tables the file of the test has not.
#[test]
fn the_shipped_mapping_fits_the_model() {
    let mapping: Mapping = HOSPITAL.parse().unwrap();
    let known: Vec<&str> = ROUTES.iter().map(|route| route.table()).collect();
    for (from, to) in mapping.tables() {
        assert!(known.contains(&to), "{from} -> {to}");
    }
}

#[test]
fn a_conversion_tells_what_does_not_fit() {
    let inspection = reasons(
        "CREATE TABLE people (id integer PRIMARY KEY, name text, ward text);
         INSERT INTO people VALUES (1, 'x', '1'), (2, 'y', '2 '), (3, 'z', '3,5');",
        "[[table]]\nfrom = \"people\"\nto = \"patients\"\ncolumns = { id = { from = \"ward\", as = \"integer\" } }",
    );
    let [
        Reason::Values {
            misfit: Misfit::NotANumber,
            rows: 1,
            first: 3,
            ..
        },
    ] = &inspection.reasons[..]
    else {
        panic!("{inspection}");
    };
    assert_eq!(inspection.tables[0].converted, ["id"]);
}

fn old(root: &Path) -> PathBuf {
    root.with_file_name("old").join("db.sqlite3")
}

/// The parts that child processes play here.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    let adopt = |tenancy: &Tenancy| {
        tenancy.adopt(
            &id("TH001"),
            new(),
            old(root),
            &renamed(),
            &AdoptOptions::default(),
        )
    };
    match part {
        "adopt" => {
            let tenancy = builder(root).open().unwrap();
            adopt(&tenancy).unwrap();
            say("adopted");
        }
        "adopt twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let first = adopt(&tenancy);
            say(match &first {
                Ok(_) => "adopted".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            if first.is_err() {
                adopt(&tenancy).unwrap();
            }
            assert_eq!(world::rows(&tenancy).len(), 3);
            say("done");
        }
        "inspect twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let inspect = || tenancy.inspect(old(root), &renamed());
            say(match inspect() {
                Ok(_) => "inspected".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            inspect().unwrap();
            say("done");
        }
        "adopt without descriptors" => {
            let tenancy = builder(root).open().unwrap();
            say(crashes::starve(&tenancy, || adopt(&tenancy).is_ok()).unwrap());
            assert_eq!(world::rows(&tenancy).len(), 3);
            say("done");
        }
        _ => return false,
    }
    true
}

const OPERATION: Operation = Operation {
    part: "adopt",
    before: |root| {
        drop(builder(root).open().unwrap());
        let path = old(root);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        made_of(&path, OLD);
        std::fs::copy(&path, root.with_file_name("as it was")).unwrap();
    },
    outcome: |tenancy| {
        let root = root_of(tenancy);
        let path = old(&root);
        assert!(
            std::fs::read(&path).unwrap()
                == std::fs::read(root.with_file_name("as it was")).unwrap()
        );
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
        let there = !tenancy.tenants().unwrap().is_empty();
        if !there {
            tenancy
                .adopt(
                    &id("TH001"),
                    new(),
                    &path,
                    &renamed(),
                    &AdoptOptions::default(),
                )
                .unwrap();
        }
        assert_eq!(world::rows(tenancy), ["Ada", "Ben", "Cy the long-named"]);
        there
    },
};

#[cfg(feature = "failpoints")]
#[test]
fn adopt_at_every_step() {
    crashes::failpoints::every_step(&OPERATION, 14);
}

#[test]
fn killed_at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    let kills = crashes::kill_at_system_calls(&OPERATION);
    assert!(kills >= 15, "{kills}: the sweep did not get far");
}

#[test]
fn failing_at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    let failures = crashes::fail_at_system_calls("adopt twice", &OPERATION);
    assert!(failures >= 5, "{failures}: the sweep did not get far");
}

#[test]
fn the_power_fails_at_any_moment() {
    if !crashes::strace_works() {
        return;
    }
    let failures = crate::power::fail_power(&OPERATION);
    assert!(failures >= 10, "{failures}: the sweep did not get far");
}

#[test]
fn without_descriptors_it_fails_whole() {
    let dir = crate::scratch::dir();
    let root = dir.path().join("data");
    (OPERATION.before)(&root);
    let mut actor = crate::actors::Actor::spawn("adopt without descriptors", &root);
    let spare: usize = actor.hear().unwrap().parse().unwrap();
    assert!(spare >= 3, "{spare}");
    assert_eq!(actor.hear().as_deref(), Some("done"));
    drop(actor);
    assert!((OPERATION.outcome)(&world::check(&root)));
}
