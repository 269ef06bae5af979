use diesel_tenants::prelude::*;
use schema::*;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub fn case(tenancy: &Tenancy<SqliteConnection>, one: &TenantId, two: &TenantId) -> Outcome<usize> {
    let mut shared = tenancy.shared()?;
    let (mut one, mut two) = (tenancy.tenant(one)?, tenancy.tenant(two)?);
    let copied = one.transaction(|one| {
        let users = users::table.load::<User>(&mut shared)?;
        let patients = patients::table.load::<Patient>(one)?;
        for patient in &patients {
            diesel::insert_into(patients::table)
                .values(NewPatient {
                    ward_id: patient.ward_id,
                    name: &patient.name,
                })
                .execute(&mut two)?;
        }
        QueryResult::Ok(users.len() + patients.len())
    })?;
    Ok(copied)
}
