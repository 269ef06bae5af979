//! `cargo run --example quickstart`: one shared table, two tenant tables, two tenants. Look at `admit`: it takes a
//! `TenantContext`, so no caller can hand it the shared database, and a query on `users` in it would not compile.
use diesel_tenants::prelude::*;

diesel::table! { users { id -> Integer, name -> Text, } }
diesel::table! { patients { id -> Integer, name -> Text, } }
diesel::table! { visits { id -> Integer, patient_id -> Integer, reason -> Text, } }
diesel::joinable!(visits -> patients (patient_id));
diesel::allow_tables_to_appear_in_same_query!(patients, visits);

routes! {
    /// Where every table of the application lives.
    pub static ROUTES;
    shared { accounts { users } }
    tenant { wards { patients, visits } }
}

const SHARED: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);
    CREATE TABLE visits (id INTEGER PRIMARY KEY NOT NULL, reason TEXT NOT NULL,
                         patient_id INTEGER NOT NULL REFERENCES patients (id));";

fn admit(ctx: &mut TenantContext, name: &str, reason: &str) -> QueryResult<usize> {
    ctx.transaction(|ctx| {
        let patient = diesel::insert_into(patients::table).values(patients::name.eq(name));
        let id: i32 = patient.returning(patients::id).get_result(ctx)?;
        let visit = (visits::patient_id.eq(id), visits::reason.eq(reason));
        let visit = diesel::insert_into(visits::table).values(visit);
        visit.execute(ctx)
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(directory.path().join("data"))
        .init() // makes it the first time; without this, opening never creates
        .shared_migrations(MigrationScript::new("1", "users", SHARED))
        .tenant_migrations(MigrationScript::new("1", "wards", TENANT))
        .open()?;
    println!("Where every table lives:\n\n{ROUTES}");

    let north = tenancy.create(&"north".parse()?, NewTenant::named("North Clinic"))?;
    let south = tenancy.create(&"south".parse()?, NewTenant::named("South Clinic"))?;
    admit(&mut north.enter()?, "Ada", "checkup")?;
    let user = diesel::insert_into(users::table).values(users::name.eq("ada"));
    user.execute(&mut tenancy.shared()?)?;

    println!("Ada was admitted in the north. Who has which visits:\n");
    for clinic in [north, south] {
        let visits = patients::table.inner_join(visits::table);
        let visits = visits.select((patients::name, visits::reason));
        let visits = visits.load::<(String, String)>(&mut clinic.enter()?)?;
        println!("{}: {visits:?}", clinic.id());
    }
    let everybody = users::table.select(users::name);
    let everybody = everybody.load::<String>(&mut tenancy.shared()?)?;
    println!("\nThe users, whom no clinic's database has: {everybody:?}");
    Ok(())
}
