//! Databases of other programs: inspected and taken over, and never changed by a byte.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel_tenants::adopt::{AdoptError, AdoptOptions, Inspection, Mapping, Misfit, Reason};
use diesel_tenants::models::ROUTES;
use diesel_tenants::prelude::*;

use crate::actors::{say, told};
use crate::app::{Fleet, builder, fleet, names};
use crate::crashes::{self, Operation};
use crate::dump::{dump_of, root_of};
use crate::world;

mod django;
pub(crate) mod faults;
mod files;
mod refused;

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

fn old(root: &Path) -> PathBuf {
    root.with_file_name("old").join("db.sqlite3")
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
