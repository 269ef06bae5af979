//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<usize> {
    let row = |name| NewPatient { ward_id: 1, name };
    diesel::insert_into(patients::table)
        .values(vec![row("Ada"), row("Ben")])
        .execute(ctx)
}
