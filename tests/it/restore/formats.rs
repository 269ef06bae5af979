//! Databases in every form that SQLite writes or wrote: each is backed up and restored as any other.
use std::os::unix::fs::{FileExt, PermissionsExt};

use super::*;

/// Gives the tenant's database other settings, as they can be changed by rewriting it only.
pub(super) fn rebuilt(fleet: &Fleet, tenant: &TenantHandle, settings: &str) {
    changed(fleet, tenant, |file| {
        let mut raw = connect(file);
        raw.batch_execute(&format!("{settings}; VACUUM")).unwrap();
    });
}

/// Changes the tenant's database while nobody has it open, and all of it is in one file.
fn changed(fleet: &Fleet, tenant: &TenantHandle, change: impl FnOnce(&Path)) {
    fleet.tenancy.suspend(&id()).unwrap();
    let file = fleet.file(tenant, 1);
    let mut raw = connect(&file);
    raw.batch_execute("PRAGMA journal_mode = DELETE").unwrap();
    drop(raw);
    change(&file);
    fleet.tenancy.resume(&id()).unwrap();
}

fn connect(file: &Path) -> SqliteConnection {
    SqliteConnection::establish(file.to_str().unwrap()).unwrap()
}

/// The first column of each row.
fn texts(raw: &mut SqliteConnection, sql: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }
    let rows: Vec<Row> = diesel::RunQueryDsl::load(diesel::sql_query(sql), raw).unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

/// Writes all of a database into a new file of another encoding: SQLite changes that of none that has a table.
fn encoded(file: &Path, encoding: &str) {
    let new_file = file.with_extension("new");
    let (mut old, mut new) = (connect(file), connect(&new_file));
    new.batch_execute(&format!("PRAGMA encoding = '{encoding}'"))
        .unwrap();
    for pragma in ["application_id", "user_version"] {
        let sql = format!("SELECT 'PRAGMA {pragma} = ' || {pragma} AS text FROM pragma_{pragma}");
        new.batch_execute(&texts(&mut old, &sql)[0]).unwrap();
    }
    let defined = |what: &str| {
        format!(
            "SELECT sql AS text FROM sqlite_schema WHERE sql IS NOT NULL AND type {what} ORDER BY rowid"
        )
    };
    for sql in texts(
        &mut old,
        &defined("= 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"),
    ) {
        new.batch_execute(&sql).unwrap();
    }
    let tables =
        "SELECT name AS text FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_stat1'";
    for table in texts(&mut old, tables) {
        let columns = format!(
            "SELECT group_concat('quote(\"' || name || '\")', ' || '','' || ') AS text
             FROM pragma_table_info('{table}')"
        );
        let columns = texts(&mut old, &columns).remove(0);
        let rows = format!(
            "SELECT 'INSERT INTO \"{table}\" VALUES (' || {columns} || ')' AS text FROM \"{table}\""
        );
        for insert in texts(&mut old, &rows) {
            new.batch_execute(&insert).unwrap();
        }
    }
    for sql in texts(&mut old, &defined("<> 'table'")) {
        new.batch_execute(&sql).unwrap();
    }
    assert_eq!(
        texts(&mut new, "SELECT encoding AS text FROM pragma_encoding"),
        [encoding]
    );
    drop((old, new));
    fs::rename(&new_file, file).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The number that says which forms of records and indexes are in a file, in its header.
const SCHEMA_FORMAT: u64 = 44;

fn schema_format(file: &Path) -> [u8; 4] {
    let mut bytes = [0; 4];
    let file = fs::File::open(file).unwrap();
    file.read_exact_at(&mut bytes, SCHEMA_FORMAT).unwrap();
    bytes
}

/// Says that a file was written before SQLite 3.3: since then nothing is written that was not read already.
fn of_old_schema_format(file: &Path) {
    let opened = fs::File::options().write(true).open(file).unwrap();
    opened.write_all_at(&[0, 0, 0, 1], SCHEMA_FORMAT).unwrap();
    assert_eq!(schema_format(file), [0, 0, 0, 1]);
}

const ODD: &str = "O'Brien 医院 🏥";

/// Backs it up, verifies that, restores it after another row, and compares all that is in it.
fn there_and_back(fleet: &Fleet, tenant: &TenantHandle, what: &str) -> BackupRecord {
    admit(&mut tenant.enter().unwrap(), ODD).unwrap();
    let tenancy = &fleet.tenancy;
    let dump = |generation| crate::dump::dump(&mut connect(&fleet.file(tenant, generation)));
    let before = dump(1);
    let backup = tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let reference = BackupRef::from(&backup);
    tenancy.verify_backup(&reference).unwrap();
    tenancy.drill(&reference).unwrap();
    admit(&mut tenant.enter().unwrap(), "after").unwrap();
    tenancy.restore(&id(), &reference, &confirmed()).unwrap();
    assert_eq!(world::rows(tenancy), ["before", ODD], "{what}");
    assert_eq!(dump(2), before, "{what}");
    backup
}

#[test]
fn page_sizes_and_vacuuming_are_all_the_same() {
    for settings in [
        "PRAGMA page_size = 512",
        "PRAGMA page_size = 65536",
        "PRAGMA auto_vacuum = FULL",
        "PRAGMA auto_vacuum = INCREMENTAL",
    ] {
        let (fleet, tenant, _) = backed_up();
        rebuilt(&fleet, &tenant, settings);
        there_and_back(&fleet, &tenant, settings);
    }
}

#[test]
fn encodings_are_all_the_same() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let (fleet, tenant, _) = backed_up();
        changed(&fleet, &tenant, |file| encoded(file, encoding));
        let backup = there_and_back(&fleet, &tenant, encoding);
        let mut copy = connect(&backup.path.join("db.sqlite3"));
        let sql = "SELECT encoding AS text FROM pragma_encoding";
        assert_eq!(texts(&mut copy, sql), [encoding]);
    }
}

#[test]
fn the_oldest_schema_format_is_the_same() {
    let (fleet, tenant, _) = backed_up();
    changed(&fleet, &tenant, of_old_schema_format);
    there_and_back(&fleet, &tenant, "schema format 1");
    // Nothing that was done to it has written it anew; the copy is, and is of the format of today.
    assert_eq!(schema_format(&fleet.file(&tenant, 1)), [0, 0, 0, 1]);
}
