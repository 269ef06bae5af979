//! A tenant as portable files, and a tenant made of them.
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use diesel::connection::SimpleConnection;
use diesel_tenants::export::{ExportError, ExportFormat};
use diesel_tenants::import::ImportError;
use diesel_tenants::prelude::*;

use crate::actors::say;
use crate::app::{self, admit, builder, fleet};
use crate::crashes::{self, Operation};
use crate::dump::{dump, dump_of, logical_diff, root_of};
use crate::world;

mod refused;
mod told;

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// Tables of every kind SQLite has, under names that are no good as file names.
const KINDS: &str = r#"
    CREATE TABLE things (id INTEGER PRIMARY KEY AUTOINCREMENT, anything, word TEXT, amount REAL, number INTEGER, bytes BLOB);
    CREATE TABLE keyed (a TEXT NOT NULL, b BLOB NOT NULL, c, PRIMARY KEY (a, b)) WITHOUT ROWID;
    CREATE TABLE "odd/../../name" ("co""lumn " , "ключ" TEXT, rowid TEXT, twice AS (upper("ключ")), stored AS (1) STORED);
    CREATE TABLE log (what TEXT NOT NULL);
    CREATE TABLE parents (id INTEGER PRIMARY KEY, favourite INTEGER REFERENCES children (id));
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents (id));
    CREATE TRIGGER logs AFTER INSERT ON things BEGIN INSERT INTO log VALUES ('made ' || NEW.id); END;
    CREATE INDEX words ON things (word);
    CREATE VIEW both AS SELECT id FROM parents UNION SELECT id FROM children;
"#;

const ROWS: &str = r#"
    INSERT INTO things (anything, word, amount, number, bytes) VALUES
        (NULL, NULL, NULL, NULL, NULL),
        (9223372036854775807, '', -0.0, -9223372036854775808, x''),
        (-0.0, 'a' || char(0) || 'b', 1e308, 9007199254740993, x'00ff'),
        (5e-324, CAST(x'ff00fe' AS TEXT), 9e999, 0, zeroblob(70000)),
        (-9e999, 'naïve “quotes” 🏥 ' || char(10) || char(8232), 0.1 + 0.2, 1, CAST('text' AS BLOB)),
        ('123', '123', 123, '123', '123');
    DELETE FROM things WHERE id = 6;
    INSERT INTO keyed VALUES ('b', x'01', 1.5), ('a', x'02', 'x'), ('a', x'01', x'00');
    INSERT INTO "odd/../../name" VALUES ('one', 'ä', 'r'), ('two', CAST(x'c3' AS TEXT), NULL);
    INSERT INTO parents VALUES (1, NULL), (2, NULL);
    INSERT INTO children VALUES (7, 1), (8, 2);
    UPDATE parents SET favourite = 7;
"#;

fn kinds(root: &Path) -> Tenancy {
    Tenancy::builder(&app::ROUTES)
        .sqlite(root)
        .init()
        .shared_migrations(app::shared_migrations())
        .tenant_migrations(MigrationScript::new("20260101000000", "kinds", KINDS))
        .open()
        .unwrap()
}

fn with_kinds(root: &Path) -> Tenancy {
    let tenancy = kinds(root);
    let tenant = tenancy.create(&id("A1"), NewTenant::named("A")).unwrap();
    let filled = tenant
        .enter()
        .unwrap()
        .unrouted("values of every kind", |raw| {
            raw.connection().batch_execute(ROWS)
        });
    filled.unwrap();
    tenancy
}

#[test]
fn nothing_is_lost_on_the_way_out_and_in() {
    let dir = crate::scratch::dir();
    let tenancy = with_kinds(&dir.path().join("data"));
    // Another installation: another catalogue, another directory.
    let other = kinds(&dir.path().join("elsewhere"));
    let before = dump_of(&tenancy, "A1");
    assert_eq!(before["log"].len(), 6);
    let mut reports = Vec::new();
    for (format, new) in [(ExportFormat::Ndjson, "B1"), (ExportFormat::Sqlite, "B2")] {
        let out = dir.path().join(new);
        let report = tenancy.export(&id("A1"), &out, format).unwrap();
        assert_eq!(report.rows(), 20);
        assert_eq!(report.left_out, ["both"]);
        for tenancy in [&tenancy, &other] {
            let imported = tenancy
                .import(&id(new), NewTenant::named("B"), &out)
                .unwrap();
            assert_eq!((imported.rows, imported.was.as_str()), (20, "A1"));
            let differences = logical_diff(&before, &dump_of(tenancy, new));
            assert!(differences.is_empty(), "{differences:#?}");
        }
        // A number that was given out is not given out again.
        let mut ctx = other.tenant(&id(new)).unwrap();
        let next = ctx.unrouted("the next number", |raw| {
            raw.connection()
                .batch_execute("INSERT INTO things (word) VALUES ('next')")?;
            QueryResult::Ok(dump(raw.connection()))
        });
        assert_eq!(next.unwrap()[" counters"], ["things 7"]);
        reports.push(report);
    }
    // Both layouts say the same of the rows.
    assert_eq!(reports[0].tables, reports[1].tables);
}

#[test]
fn what_is_written_is_private_readable_and_verified_by_others() {
    let dir = crate::scratch::dir();
    let tenancy = with_kinds(&dir.path().join("data"));
    for format in [ExportFormat::Ndjson, ExportFormat::Sqlite] {
        let out = dir.path().join(format!("{format:?}"));
        tenancy.export(&id("A1"), &out, format).unwrap();
        let mut names = files(&out);
        names.sort();
        for name in &names {
            let mode = std::fs::metadata(out.join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        }
        assert_eq!(
            std::fs::metadata(&out).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let checked = Command::new("sha256sum")
            .args(["-c", "--quiet", "SHA256SUMS"])
            .current_dir(&out)
            .status();
        assert!(checked.unwrap().success());
        let tables = match format {
            ExportFormat::Ndjson => {
                let rows = std::fs::read_to_string(out.join("tables/children.ndjson")).unwrap();
                assert_eq!(rows, "{\"id\":7,\"parent\":1}\n{\"id\":8,\"parent\":2}\n");
                vec![
                    "tables/-3.ndjson",
                    "tables/children.ndjson",
                    "tables/keyed.ndjson",
                    "tables/log.ndjson",
                    "tables/parents.ndjson",
                    "tables/things.ndjson",
                ]
            }
            _ => {
                let path = out.join("tenant.sqlite3");
                let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
                let found = dump(&mut conn);
                assert!(logical_diff(&dump_of(&tenancy, "A1"), &found).is_empty());
                vec!["tenant.sqlite3"]
            }
        };
        let mut wanted = vec!["SHA256SUMS", "manifest.json", "schema.sql"];
        wanted.extend(tables);
        assert_eq!(names, wanted);
        let schema = std::fs::read_to_string(out.join("schema.sql")).unwrap();
        assert!(
            schema.contains("CREATE TABLE keyed") && !schema.contains("__tenants"),
            "{schema}"
        );
    }
}

/// Names of all files below a directory.
fn files(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut list = vec![directory.to_owned()];
    while let Some(next) = list.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => list.push(path),
                false => names.push(
                    path.strip_prefix(directory)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                ),
            }
        }
    }
    names
}

#[test]
fn a_place_that_is_taken_or_not_allowed_is_refused() {
    let fleet = fleet();
    fleet.create("A1");
    let home = fleet.root.parent().unwrap().to_owned();
    let export = |place: &Path| fleet.tenancy.export(&id("A1"), place, ExportFormat::Ndjson);
    for taken in ["a directory", "a file", "a link"] {
        let place = home.join(taken);
        match taken {
            "a directory" => std::fs::create_dir(&place).unwrap(),
            "a file" => std::fs::write(&place, "").unwrap(),
            _ => std::os::unix::fs::symlink("nowhere", &place).unwrap(),
        }
        let error = export(&place).unwrap_err();
        assert!(matches!(error, ExportError::Exists { .. }), "{error}");
    }
    let error = export(&fleet.root.join("tenants/x")).unwrap_err();
    assert!(
        error.to_string().contains("inside the data directory"),
        "{error}"
    );
    assert!(export(&home.join("no/parent")).is_err());
    assert!(
        fleet
            .tenancy
            .export(&id("B1"), home.join("b"), ExportFormat::Ndjson)
            .is_err()
    );
    export(&fleet.root.join("exports/x")).unwrap();

    // What a process that died left is cleared away; what a living one has is not touched.
    let left = home.join(".new-out");
    std::fs::create_dir_all(left.join("tables")).unwrap();
    std::fs::write(left.join("tables/patients.ndjson"), "half a row").unwrap();
    std::fs::write(left.join("rubbish"), "").unwrap();
    let held = std::fs::File::open(&left).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let error = export(&home.join("out")).unwrap_err();
    assert!(
        matches!(error, ExportError::InProgress { .. }) && error.is_retryable(),
        "{error}"
    );
    assert!(left.join("rubbish").exists());
    drop(held);
    export(&home.join("out")).unwrap();
    assert!(!left.exists() && !home.join("out/rubbish").exists());
    // And one that fails leaves nothing.
    std::fs::write(home.join("blocked"), "").unwrap();
    assert!(export(&home.join("blocked/out")).is_err());
    world::check(&fleet.root);
}

/// Two tables that are only ever written together are exported together.
#[test]
fn an_export_is_of_one_moment() {
    let fleet = fleet();
    let tenant = fleet.create("A1");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut ctx = tenant.enter().unwrap();
            while !std::sync::atomic::AtomicBool::load(&done, std::sync::atomic::Ordering::SeqCst) {
                ctx.transaction(|ctx| {
                    admit(ctx, "x")?;
                    let archive = app::schema::archive::table;
                    diesel::insert_into(archive)
                        .values((
                            app::schema::archive::name.eq("x"),
                            app::schema::archive::ward.eq("A"),
                        ))
                        .execute(ctx)
                })
                .unwrap();
            }
        });
        let mut counts = Vec::new();
        for (number, format) in [ExportFormat::Ndjson, ExportFormat::Sqlite]
            .into_iter()
            .cycle()
            .take(10)
            .enumerate()
        {
            let out = fleet.root.with_file_name(format!("out{number}"));
            let report = fleet.tenancy.export(&id("A1"), &out, format).unwrap();
            let rows = |name: &str| {
                report
                    .tables
                    .iter()
                    .find(|table| table.name == name)
                    .unwrap()
                    .rows
            };
            counts.push((rows("patients"), rows("archive")));
        }
        // Before anything can fail: the other thread writes until it is told.
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(counts.iter().all(|(one, other)| one == other), "{counts:?}");
    });
}

#[test]
fn one_flipped_byte_anywhere_is_refused() {
    let dir = crate::scratch::dir();
    let tenancy = with_kinds(&dir.path().join("data"));
    for format in [ExportFormat::Ndjson, ExportFormat::Sqlite] {
        let out = dir.path().join(format!("{format:?}"));
        tenancy.export(&id("A1"), &out, format).unwrap();
        for name in files(&out) {
            let path = out.join(&name);
            let whole = std::fs::read(&path).unwrap();
            let places: Vec<usize> = match std::env::var("DIESEL_TENANTS_SWEEP").as_deref() {
                Ok("full") => (0..whole.len()).collect(),
                _ => vec![0, whole.len() / 2, whole.len() - 1],
            };
            for at in places {
                let mut flipped = whole.clone();
                flipped[at] ^= 0x01;
                std::fs::write(&path, flipped).unwrap();
                let error = tenancy
                    .import(&id("B1"), NewTenant::named("B"), &out)
                    .unwrap_err();
                assert!(!error.is_retryable(), "{name} at {at}: {error}");
            }
            std::fs::remove_file(&path).unwrap();
            tenancy
                .import(&id("B1"), NewTenant::named("B"), &out)
                .unwrap_err();
            std::fs::write(&path, whole).unwrap();
        }
        assert_eq!(tenancy.tenants().unwrap().len(), 1);
    }
}

/// Writes the sums anew, as somebody would who changes an export on purpose.
fn sign(out: &Path) {
    let names: Vec<String> = files(out)
        .into_iter()
        .filter(|name| name != "SHA256SUMS")
        .collect();
    let sums = Command::new("sha256sum")
        .args(&names)
        .current_dir(out)
        .output()
        .unwrap();
    std::fs::write(out.join("SHA256SUMS"), sums.stdout).unwrap();
}

#[test]
fn an_export_changed_on_purpose_is_data_and_nothing_else() {
    let fleet = fleet();
    admit(&mut fleet.create("A1").enter().unwrap(), "Ada").unwrap();
    let home = fleet.root.parent().unwrap().to_owned();
    let out = home.join("out");
    fleet
        .tenancy
        .export(&id("A1"), &out, ExportFormat::Ndjson)
        .unwrap();
    let manifest = std::fs::read_to_string(out.join("manifest.json")).unwrap();
    let row = "{\"id\":1,\"name\":\"Ada\",\"ward\":\"A\"}\n";
    assert_eq!(
        std::fs::read_to_string(out.join("tables/patients.ndjson")).unwrap(),
        row
    );
    let import = |change: &dyn Fn(&Path)| {
        let changed = home.join("changed");
        crashes::copy(&out, &changed);
        change(&changed);
        sign(&changed);
        let result = fleet
            .tenancy
            .import(&id("B1"), NewTenant::named("B"), &changed);
        std::fs::remove_dir_all(&changed).unwrap();
        result.map(drop)
    };
    let rows = |text: &'static str| {
        import(&move |out| std::fs::write(out.join("tables/patients.ndjson"), text).unwrap())
            .unwrap_err()
    };
    let with_manifest = |from: &str, to: &str| {
        let changed = manifest.replace(from, to);
        assert_ne!(changed, manifest);
        import(&|out| std::fs::write(out.join("manifest.json"), &changed).unwrap()).unwrap_err()
    };
    for (text, wrong) in [
        ("", "loaded with 0 rows"),
        (
            "{\"id\":1,\"name\":\"Eve\",\"ward\":\"A\"}\n",
            "not the 1 of the manifest",
        ),
        (
            "{\"id\":1,\"name\":\"Eve\",\"name\":\"Ada\",\"ward\":\"A\"}",
            "line 1 of `patients`",
        ),
        (
            "{\"id\":1,\"name\":\"Ada\",\"word\":\"A\"}\n",
            "its columns",
        ),
        (
            "{\"id\":1,\"name\":\"Ada\",\"ward\":[]}\n",
            "none of the format's",
        ),
        (
            "{\"id\":1,\"name\":null,\"ward\":\"A\"}\n",
            "refused by the schema",
        ),
        ("DROP TABLE patients;\n", "no JSON object"),
    ] {
        let error = rows(text);
        assert!(error.to_string().contains(wrong), "{text}: {error}");
    }
    let error = with_manifest("\"name\": \"patients\"", "\"name\": \"../../patients\"");
    assert!(matches!(error, ImportError::File(_)), "{error}");
    let error = with_manifest("\"name\": \"patients\"", "\"name\": \"visits\"");
    assert!(matches!(error, ImportError::Columns { .. }), "{error}");
    let error = with_manifest("\"ward\"", "\"word\"");
    assert!(matches!(error, ImportError::Columns { .. }), "{error}");
    let error = with_manifest("\"format\": 1", "\"format\": 2");
    assert!(
        matches!(error, ImportError::UnknownFormat { found: 2, .. }),
        "{error}"
    );
    let error = with_manifest("\"format\": 1", "\"format\": 1, \"script\": \"rm\"");
    assert!(matches!(error, ImportError::Manifest { .. }), "{error}");
    let error = with_manifest("20260102000000", "20990101000000");
    assert!(matches!(error, ImportError::SchemaAhead { .. }), "{error}");
    let error = with_manifest("20260102000000", "20260101000001");
    assert!(
        matches!(error, ImportError::SchemaUnknown { .. }),
        "{error}"
    );
    let error = import(&|out| {
        std::fs::write(
            out.join("tables/visits.ndjson"),
            "{\"id\":1,\"reason\":\"x\",\"patient_id\":9}\n",
        )
        .unwrap();
        let sum = Command::new("sha256sum")
            .arg(out.join("tables/visits.ndjson"))
            .output()
            .unwrap();
        let sum = String::from_utf8(sum.stdout).unwrap()[..64].to_owned();
        let manifest = manifest.replace(
            "\"rows\": 0,\n      \"sha256\": \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n    }\n  ],",
            &format!("\"rows\": 1,\n      \"sha256\": \"{sum}\"\n    }}\n  ],"),
        );
        std::fs::write(out.join("manifest.json"), manifest).unwrap();
    });
    assert!(
        matches!(error, Err(ImportError::Orphans { rows: 1, .. })),
        "{error:?}"
    );
    // A link could lead to any file, a pipe to nowhere.
    for make in ["ln -s /etc/passwd", "mkfifo", "mkdir"] {
        let made = import(&|out| {
            let path = out.join("tables/patients.ndjson");
            std::fs::remove_file(&path).unwrap();
            let done = Command::new("sh")
                .args(["-c", &format!("{make} \"$0\"")])
                .arg(&path)
                .status();
            assert!(done.unwrap().success());
            let sums = std::fs::read_to_string(out.join("SHA256SUMS")).unwrap();
            std::fs::write(out.join("SHA256SUMS"), sums).unwrap();
            // `sign` would wait for the pipe.
            if make == "mkfifo" {
                std::fs::remove_file(&path).unwrap();
                std::fs::create_dir(&path).unwrap();
            }
        });
        assert!(
            matches!(made, Err(ImportError::File(_) | ImportError::Hash { .. })),
            "{make}: {made:?}"
        );
    }
    // The definitions are for people: whatever is in them, nobody runs it.
    import(&|out| {
        std::fs::write(
            out.join("schema.sql"),
            "DROP TABLE patients; ATTACH 'x' AS x;",
        )
        .unwrap()
    })
    .unwrap();
    assert_eq!(dump_of(&fleet.tenancy, "B1"), dump_of(&fleet.tenancy, "A1"));
    world::check(&fleet.root);
}

#[test]
fn an_export_of_an_older_schema_is_migrated_and_one_of_a_newer_is_refused() {
    let dir = crate::scratch::dir();
    let open = |root: &str, set: MigrationSet| {
        builder(&dir.path().join(root))
            .tenant_migrations(set)
            .open()
            .unwrap()
    };
    let rename = MigrationScript::new(
        "20260103000000",
        "surnames",
        "ALTER TABLE patients ADD COLUMN initial TEXT; UPDATE patients SET initial = substr(name, 1, 1);",
    );
    let old = open("old", MigrationSet::new([app::wards()]));
    let new = open(
        "new",
        MigrationSet::new([app::wards(), app::archive(), rename]),
    );
    let tenant = old.create(&id("A1"), NewTenant::named("A")).unwrap();
    admit(&mut tenant.enter().unwrap(), "Ada").unwrap();
    for (format, name) in [(ExportFormat::Ndjson, "B1"), (ExportFormat::Sqlite, "B2")] {
        let out = dir.path().join(format!("{format:?}"));
        old.export(&id("A1"), &out, format).unwrap();
        let imported = new.import(&id(name), NewTenant::named("B"), &out).unwrap();
        assert_eq!(imported.exported_version.as_deref(), Some("20260101000000"));
        let migrated = dump_of(&new, name);
        assert_eq!(
            migrated["patients"],
            ["integer:31 text:416461 text:41 text:41"]
        );
        let record = imported.tenant.record().unwrap();
        assert_eq!(record.schema_version.as_deref(), Some("20260103000000"));

        let again = dir.path().join(format!("{format:?} of the new"));
        new.export(&id(name), &again, format).unwrap();
        let error = old
            .import(&id("A2"), NewTenant::named("B"), &again)
            .unwrap_err();
        assert!(matches!(error, ImportError::SchemaAhead { .. }), "{error}");
    }
}

/// Works in every status in which there are data, and leaves no lock behind.
#[test]
fn a_suspended_tenant_can_be_exported() {
    let fleet = fleet();
    admit(&mut fleet.create("A1").enter().unwrap(), "Ada").unwrap();
    fleet.tenancy.suspend(&id("A1")).unwrap();
    let report = fleet.tenancy.export(
        &id("A1"),
        fleet.root.with_file_name("out"),
        ExportFormat::Sqlite,
    );
    assert_eq!(report.unwrap().rows(), 1);
    fleet.tenancy.resume(&id("A1")).unwrap();
    fleet.tenancy.compact(&id("A1")).unwrap();
}

/// What an index says is there and its table has not is in no export, whose hashes are right.
#[test]
fn a_damaged_database_is_not_exported() {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    let mut ctx = tenant.enter().unwrap();
    admit(&mut ctx, "Ada").unwrap();
    ctx.unrouted("damage", |raw| {
        raw.connection().batch_execute(
            "PRAGMA writable_schema = ON;
             DELETE FROM sqlite_schema WHERE name = 'visits_patient_id';
             PRAGMA writable_schema = RESET;",
        )
    })
    .unwrap();
    drop(ctx);
    for format in [ExportFormat::Ndjson, ExportFormat::Sqlite] {
        let out = fleet.root.with_file_name("out");
        let exported = fleet.tenancy.export(&id("TH001"), &out, format);
        let refused = exported.unwrap_err();
        let damaged = matches!(
            refused,
            ExportError::Connect(diesel_tenants::backend::ConnectError::Damaged { .. })
        );
        assert!(damaged && !out.exists(), "{refused}");
    }
}

fn place(root: &Path) -> PathBuf {
    root.join("exports/out")
}

/// The parts that child processes play here.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    let new = || NewTenant::named("Imported").subdomain("imported");
    match part {
        "export" | "export sqlite" => {
            let format = if part == "export" {
                ExportFormat::Ndjson
            } else {
                ExportFormat::Sqlite
            };
            let tenancy = builder(root).open().unwrap();
            tenancy.export(&id("TH001"), place(root), format).unwrap();
            say("exported");
        }
        "import" => {
            let tenancy = builder(root).open().unwrap();
            tenancy.import(&id("TH002"), new(), place(root)).unwrap();
            say("imported");
        }
        "import twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            crate::actors::told();
            let first = tenancy.import(&id("TH002"), new(), place(root));
            say(match &first {
                Ok(_) => "imported".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            crate::actors::told();
            if first.is_err() {
                tenancy.import(&id("TH002"), new(), place(root)).unwrap();
            }
            assert_eq!(dump_of(&tenancy, "TH001"), dump_of(&tenancy, "TH002"));
            say("done");
        }
        "export twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            crate::actors::told();
            let first = tenancy.export(&id("TH001"), place(root), ExportFormat::Ndjson);
            say(match &first {
                Ok(_) => "exported".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            crate::actors::told();
            // It is there whole or not at all; a name that could not be synced is there.
            if !place(root).exists() {
                tenancy
                    .export(&id("TH001"), place(root), ExportFormat::Ndjson)
                    .unwrap();
            }
            tenancy.import(&id("TH002"), new(), place(root)).unwrap();
            say("done");
        }
        "export without descriptors" => {
            let tenancy = builder(root).open().unwrap();
            let export = || tenancy.export(&id("TH001"), place(root), ExportFormat::Ndjson);
            say(crashes::starve(&tenancy, || export().is_ok()).unwrap());
        }
        "import without descriptors" => {
            let tenancy = builder(root).open().unwrap();
            let import = || tenancy.import(&id("TH002"), new(), place(root));
            say(crashes::starve(&tenancy, || import().is_ok()).unwrap());
        }
        _ => return false,
    }
    true
}

fn exported(tenancy: &Tenancy) -> bool {
    let place = place(&root_of(tenancy));
    let before = place.exists();
    if !before {
        tenancy
            .export(&id("TH001"), &place, ExportFormat::Ndjson)
            .unwrap();
    }
    let left: Vec<_> = std::fs::read_dir(place.parent().unwrap())
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
    tenancy
        .import(&id("TH003"), NewTenant::named("x"), &place)
        .unwrap();
    assert_eq!(dump_of(tenancy, "TH001"), dump_of(tenancy, "TH003"));
    before
}

const OPERATIONS: [Operation; 3] = [
    Operation {
        part: "export",
        before: crashes::with_rows,
        outcome: exported,
    },
    Operation {
        part: "export sqlite",
        before: crashes::with_rows,
        outcome: exported,
    },
    Operation {
        part: "import",
        before: |root| {
            crashes::with_rows(root);
            let tenancy = builder(root).open().unwrap();
            tenancy
                .export(&id("TH001"), place(root), ExportFormat::Ndjson)
                .unwrap();
        },
        outcome: |tenancy| {
            let there = tenancy.tenants().unwrap().len() == 2;
            if !there {
                let new = NewTenant::named("Imported").subdomain("imported");
                tenancy
                    .import(&id("TH002"), new, place(&root_of(tenancy)))
                    .unwrap();
            }
            assert_eq!(dump_of(tenancy, "TH001"), dump_of(tenancy, "TH002"));
            there
        },
    },
];

#[cfg(feature = "failpoints")]
mod failpoints {
    use super::OPERATIONS;
    use crate::crashes::failpoints::every_step;

    #[test]
    fn export_at_every_step() {
        every_step(&OPERATIONS[0], 6);
    }

    #[test]
    fn export_as_a_database_at_every_step() {
        every_step(&OPERATIONS[1], 6);
    }

    #[test]
    fn import_at_every_step() {
        every_step(&OPERATIONS[2], 14);
    }
}

#[test]
fn killed_at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    // The two layouts differ in one file, and are killed at every step above.
    let kills = crashes::kill_at_system_calls(&OPERATIONS[0])
        + crashes::kill_at_system_calls(&OPERATIONS[2]);
    assert!(kills >= 20, "{kills}: the sweep did not get far");
}

#[test]
fn failing_at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    let failures = crashes::fail_at_system_calls("import twice", &OPERATIONS[2])
        + crashes::fail_at_system_calls("export twice", &OPERATIONS[0]);
    assert!(failures >= 10, "{failures}: the sweep did not get far");
}

#[test]
fn without_descriptors_they_fail_whole() {
    let dir = crate::scratch::dir();
    let root = dir.path().join("data");
    crashes::with_rows(&root);
    // The second takes in what the first has handed out.
    for (part, operation) in [
        ("export without descriptors", &OPERATIONS[0]),
        ("import without descriptors", &OPERATIONS[2]),
    ] {
        let mut actor = crate::actors::Actor::spawn(part, &root);
        let spare: usize = actor.hear().unwrap().parse().unwrap();
        assert!(spare >= 3, "{part}: {spare}");
        assert!(actor.wait().success());
        let tenancy = world::check(&root);
        assert!((operation.outcome)(&tenancy), "{part}");
        if let Ok(copy) = tenancy.handle(&id("TH003")) {
            crate::app::delete_at_once(&tenancy, &copy.id());
            tenancy.purge(&copy.id(), "TH003").unwrap();
        }
    }
}

#[test]
fn the_power_fails_at_any_moment() {
    if !crashes::strace_works() {
        return;
    }
    for operation in [&OPERATIONS[0], &OPERATIONS[2]] {
        let failures = crate::power::fail_power(operation);
        assert!(failures >= 10, "{failures}: the sweep did not get far");
    }
}
