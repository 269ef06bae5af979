//! The hospital model on the library: what one hospital writes, the others and the shared database do not see.
//!
//! The rows are those of the model's own tests, mounted here on contexts instead of connections.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use diesel::sql_types::{BigInt, Binary, Text};
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::prelude::*;

mod shared_rows;
mod tenant_rows;

pub(crate) fn open(root: &Path) -> Tenancy {
    Tenancy::builder(&ROUTES)
        .sqlite(root)
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .open()
        .unwrap()
}

/// What a database holds: the number of rows of each table, and every 16-byte value, which is what keys look like.
#[derive(Default)]
struct Contents {
    rows: BTreeMap<String, i64>,
    keys: BTreeSet<Vec<u8>>,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}
#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}
#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = Binary)]
    key: Vec<u8>,
}

fn contents<C>(raw: &mut diesel_tenants::Unrouted<'_, C>) -> QueryResult<Contents>
where
    C: diesel_tenants::backend::Backend<Backend = diesel::sqlite::Sqlite>,
{
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
                  AND name NOT LIKE '!_!_tenants!_%' ESCAPE '!'";
    let mut contents = Contents::default();
    for table in diesel::sql_query(tables).load::<Name>(raw)? {
        let table = table.name;
        let count = format!("SELECT count(*) AS count FROM {table}");
        let count: Count = diesel::sql_query(count).get_result(raw)?;
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        for column in diesel::sql_query(columns).load::<Name>(raw)? {
            let column = column.name;
            let keys = format!(
                "SELECT {column} AS key FROM {table} WHERE typeof({column}) = 'blob' AND length({column}) = 16"
            );
            let keys = diesel::sql_query(keys).load::<Key>(raw)?;
            contents.keys.extend(keys.into_iter().map(|row| row.key));
        }
        contents.rows.insert(table, count.count);
    }
    Ok(contents)
}

fn contents_of(tenancy: &Tenancy, id: &str) -> Contents {
    let mut ctx = tenancy.tenant(&id.parse().unwrap()).unwrap();
    ctx.unrouted("look into every table", contents).unwrap()
}

fn contents_of_shared(tenancy: &Tenancy) -> Contents {
    let mut ctx = tenancy.shared().unwrap();
    ctx.unrouted("look into every table", contents).unwrap()
}

/// Routed tables no isolation test writes to, each with the reason. A table that is not routed, or is written to after
/// all, fails the test.
const EXEMPT: &[(&str, &str)] = &[];

fn routed(scope: ScopeKind) -> BTreeSet<String> {
    let exempt = |table: &str| EXEMPT.iter().any(|(name, _)| *name == table);
    let routed = ROUTES.in_scope(scope).map(|route| route.table().to_owned());
    routed.filter(|table| !exempt(table)).collect()
}

#[test]
fn what_one_hospital_writes_nobody_else_sees() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data"));
    for code in ["TH001", "DMC001", "TEST_HOSPITAL"] {
        tenancy
            .create(&code.parse().unwrap(), NewTenant::named(code))
            .unwrap();
    }
    tenant_rows::fill(&mut tenancy.tenant(&"TH001".parse().unwrap()).unwrap());

    let written = contents_of(&tenancy, "TH001");
    let filled = |contents: &Contents| -> BTreeSet<String> {
        let filled = contents.rows.iter().filter(|(_, rows)| **rows > 0);
        filled.map(|(table, _)| table.clone()).collect()
    };
    // Every routed table has a row here, so every one is put to the test below.
    assert_eq!(filled(&written), routed(ScopeKind::Tenant));
    assert!(written.keys.len() > 60, "{}", written.keys.len());
    for (table, reason) in EXEMPT {
        assert!(
            ROUTES.table(table).is_some(),
            "{table} is exempt and not routed"
        );
        assert!(!reason.is_empty(), "{table} is exempt without a reason");
    }

    for other in [
        contents_of(&tenancy, "DMC001"),
        contents_of(&tenancy, "TEST_HOSPITAL"),
        contents_of_shared(&tenancy),
    ] {
        assert!(filled(&other).is_empty(), "{:?}", filled(&other));
        assert!(other.keys.is_disjoint(&written.keys));
    }

    // And the other way round: what is shared is in no hospital.
    shared_rows::fill(&mut tenancy.shared().unwrap());
    let shared = contents_of_shared(&tenancy);
    assert_eq!(filled(&shared), routed(ScopeKind::Shared));
    assert!(shared.keys.is_disjoint(&written.keys));
    for code in ["TH001", "DMC001", "TEST_HOSPITAL"] {
        let hospital = contents_of(&tenancy, code);
        assert!(hospital.keys.is_disjoint(&shared.keys));
        let tables: BTreeSet<_> = hospital.rows.into_keys().collect();
        assert!(tables.is_disjoint(&routed(ScopeKind::Shared)));
    }
}

#[test]
fn the_routing_table_answers_for_models_tables_and_names() {
    use diesel_tenants::models::schema::tenant::patients;
    use diesel_tenants::models::shared::accounts::User;
    use diesel_tenants::models::tenant::patients::Patient;

    let user = ROUTES.of::<User>().unwrap();
    assert_eq!((user.scope(), user.table()), (ScopeKind::Shared, "users"));
    for route in [
        ROUTES.of::<Patient>(),
        ROUTES.of::<patients::table>(),
        ROUTES.table("patients"),
    ] {
        let route = route.unwrap();
        assert_eq!(
            (route.scope(), route.module()),
            (ScopeKind::Tenant, "patients")
        );
    }
    assert!(ROUTES.table("nowhere").is_none());
    let printed = ROUTES.to_string();
    assert_eq!(printed.lines().count(), ROUTES.len() + 1);
    assert!(
        printed.contains("tenant  pharmacy       pharmacy_sales"),
        "{printed}"
    );
    let json: serde_json::Value = serde_json::to_value(&ROUTES).unwrap();
    assert_eq!(json[0]["scope"], "shared");
    assert_eq!(json.as_array().unwrap().len(), ROUTES.len());
    assert!(ROUTES.len() > 60);
}

/// The program a newcomer runs first: the second run finds everything in place and changes nothing.
#[test]
fn the_hospital_example_changes_nothing_the_second_time() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let run = || {
        let mut example = Command::new(env!("CARGO"));
        example.args(["run", "--quiet", "--example", "hospital"]);
        // With the features of this test, so that nothing is compiled a second time.
        if cfg!(all(feature = "failpoints", feature = "testing")) {
            example.arg("--all-features");
        }
        example.arg("--").arg(&data);
        let output = example.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        String::from_utf8(output.stdout).unwrap()
    };
    let dump = || {
        let tenancy = open(&data);
        let mut all = vec![contents_of_shared(&tenancy)];
        for code in ["TH001", "DMC001", "TEST_HOSPITAL"] {
            all.push(contents_of(&tenancy, code));
        }
        let records: Vec<_> = tenancy.tenants().unwrap();
        let all: Vec<_> = all.into_iter().map(|c| (c.rows, c.keys)).collect();
        (records, all)
    };
    let first = run();
    let before = dump();
    let second = run();
    assert!(before == dump(), "the second run changed something");
    assert_eq!(first, second);
    assert!(
        first.contains("TH001          sees 300 of its 300 patients"),
        "{first}"
    );
    assert!(
        first.contains("DMC001         sees   0 of its 300 patients"),
        "{first}"
    );
}
