//! The hospital's shared references, and the drift this library began with.
use std::collections::BTreeSet;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, SHARED_REFS, TENANT_MIGRATIONS};
use diesel_tenants::verify::{Finding, Health, SharedRefColumn, VerifyOptions};
use diesel_tenants::{NewTenant, Tenancy, TenantId};

fn hospital() -> (tempfile::TempDir, Tenancy, TenantId) {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(dir.path().join("data"))
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .open()
        .unwrap();
    let id: TenantId = "TH001".parse().unwrap();
    tenancy
        .create(&id, NewTenant::named("Teaching Hospital"))
        .unwrap();
    (dir, tenancy, id)
}

#[derive(QueryableByName, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Reference {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Text)]
    name: String,
}

/// A key of 16 bytes that is neither the row's own nor a foreign key's leads into the shared database.
#[test]
fn every_shared_reference_of_the_model_is_listed() {
    let (_dir, tenancy, id) = hospital();
    let query = "SELECT m.name AS owner, x.name AS name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS x
         WHERE m.type = 'table' AND m.name NOT LIKE '\\_\\_tenants%' ESCAPE '\\' AND x.type = 'BLOB' AND x.pk = 0
         AND x.name NOT IN (SELECT \"from\" FROM pragma_foreign_key_list(m.name))";
    let mut ctx = tenancy.tenant(&id).unwrap();
    let found: Vec<Reference> = ctx
        .unrouted("test", |raw| {
            diesel::sql_query(query).load(raw.connection())
        })
        .unwrap();
    let found: BTreeSet<_> = found.into_iter().collect();
    let listed: BTreeSet<_> = SHARED_REFS
        .iter()
        .map(|to| Reference {
            owner: to.table.to_owned(),
            name: to.column.to_owned(),
        })
        .collect();
    assert_eq!(listed, found);
    assert_eq!(listed.len(), SHARED_REFS.len());

    // Where they lead: what the rows' own types say.
    let source =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/models/tenant")).unwrap();
    let text: String = source
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let targets: BTreeSet<_> = SHARED_REFS
        .iter()
        .map(|to| (to.column, to.target_table))
        .collect();
    for (column, target) in targets {
        let model = match target {
            "users" => "User",
            "hospitals" => "Hospital",
            other => panic!("{other}"),
        };
        let other = if model == "User" { "Hospital" } else { "User" };
        assert!(
            text.contains(&format!("pub {column}: Option<SharedRef<{model}>>"))
                || text.contains(&format!("pub {column}: SharedRef<{model}>")),
            "{column}"
        );
        assert!(
            !text.contains(&format!("pub {column}: Option<SharedRef<{other}>>")),
            "{column}"
        );
    }
}

#[test]
fn rows_that_lead_to_no_shared_row_are_counted() {
    let (_dir, tenancy, id) = hospital();
    let shared = "INSERT INTO users (id, username, email, password_hash, created_at) VALUES (x'00000000000000000000000000000001', 'ada', 'a@example.org', '!', '2026-01-01 00:00:00')";
    tenancy
        .shared()
        .unwrap()
        .unrouted("test", |raw| raw.connection().batch_execute(shared))
        .unwrap();
    let mut sql = String::new();
    for number in 0..1000 {
        // Every tenth leads to a user who is there, the others to 450 who are not.
        let user = if number % 10 == 0 {
            1
        } else {
            2 + number % 500
        };
        sql.push_str(&format!(
            "INSERT INTO settings (key, value, updated_by, updated_at) VALUES ('k{number}', 'v', x'{user:032x}', '2026-01-01 00:00:00');"
        ));
    }
    let mut ctx = tenancy.tenant(&id).unwrap();
    ctx.unrouted("test", |raw| {
        raw.connection()
            .batch_execute(&format!("BEGIN; {sql} COMMIT;"))
    })
    .unwrap();
    let options = VerifyOptions::default();
    assert!(
        tenancy.verify(&id, &options).unwrap().is_ready(),
        "not looked at unless they are given"
    );
    let found = tenancy
        .verify(&id, &options.shared_refs(SHARED_REFS))
        .unwrap();
    assert_eq!(found.status, Health::Incomplete);
    assert_eq!(
        found.reasons,
        [Finding::SharedRefOrphans {
            table: "settings".to_owned(),
            column: "updated_by".to_owned(),
            target_table: "users".to_owned(),
            target_column: "id".to_owned(),
            rows: 900,
        }]
    );
}

/// What cannot be followed is said, and the tenant does not count as ready.
#[test]
fn a_shared_reference_that_leads_to_no_table_is_named() {
    let (_dir, tenancy, id) = hospital();
    let sql = "INSERT INTO settings (key, value, updated_by, updated_at) VALUES ('k', 'v', x'01', '2026-01-01 00:00:00')";
    let mut ctx = tenancy.tenant(&id).unwrap();
    ctx.unrouted("test", |raw| raw.connection().batch_execute(sql))
        .unwrap();
    let nowhere = SharedRefColumn {
        table: "settings",
        column: "updated_by",
        target_table: "people",
        target_column: "id",
    };
    let options = VerifyOptions::default().shared_refs(&[nowhere]);
    let found = tenancy.verify(&id, &options).unwrap();
    assert_eq!(found.status, Health::Incomplete);
    assert_eq!(
        found.reasons[0].to_string(),
        "`settings`.`updated_by` could not be followed into the shared database: the catalogue cannot be read or changed: no such table: people"
    );
}
