//! A small application of its own: one shared table, two tenant tables, two tenants.
//!
//! `cargo run --example quickstart`. Look at `admit`: it takes a `TenantContext`, so no caller can hand it the shared
//! database, and a query on `users` in it would not compile.
use diesel_tenants::prelude::*;

mod schema {
    diesel::table! { users { id -> Integer, name -> Text, } }
    diesel::table! { patients { id -> Integer, name -> Text, ward -> Text, } }
    diesel::table! { visits { id -> Integer, patient_id -> Integer, reason -> Text, } }
    diesel::joinable!(visits -> patients (patient_id));
    diesel::allow_tables_to_appear_in_same_query!(patients, visits);
}
use schema::{patients, users, visits};

routes! {
    /// Where every table of the application lives.
    pub static ROUTES;
    shared { accounts { schema::users } }
    tenant { wards { schema::patients, schema::visits } }
}

const SHARED: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
const TENANT: &str = "
    CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, ward TEXT NOT NULL);
    CREATE TABLE visits (id INTEGER PRIMARY KEY NOT NULL, reason TEXT NOT NULL,
                         patient_id INTEGER NOT NULL REFERENCES patients (id));";

fn admit(ctx: &mut TenantContext, name: &str, reason: &str) -> QueryResult<()> {
    ctx.transaction(|ctx| {
        let row = (patients::name.eq(name), patients::ward.eq("A"));
        let insert = diesel::insert_into(patients::table).values(row);
        let id: i32 = insert.returning(patients::id).get_result(ctx)?;
        let visit = (visits::patient_id.eq(id), visits::reason.eq(reason));
        diesel::insert_into(visits::table)
            .values(visit)
            .execute(ctx)?;
        Ok(())
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = tempfile::tempdir()?;
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(data.path().join("data"))
        .init()
        .shared_migrations(MigrationSet::new([MigrationScript::new(
            "1", "users", SHARED,
        )]))
        .tenant_migrations(MigrationSet::new([MigrationScript::new(
            "1", "wards", TENANT,
        )]))
        .open()?;

    let north = tenancy.create(&"north".parse()?, NewTenant::named("North Clinic"))?;
    let south = tenancy.create(&"south".parse()?, NewTenant::named("South Clinic"))?;
    admit(&mut north.enter()?, "Ada", "checkup")?;
    let ada = users::name.eq("ada");
    diesel::insert_into(users::table)
        .values(ada)
        .execute(&mut tenancy.shared()?)?;

    let names = patients::table
        .inner_join(visits::table)
        .select((patients::name, visits::reason));
    println!("{ROUTES}");
    println!(
        "north: {:?}",
        names.load::<(String, String)>(&mut north.enter()?)?
    );
    println!(
        "south: {:?}",
        names.load::<(String, String)>(&mut south.enter()?)?
    );
    Ok(())
}
