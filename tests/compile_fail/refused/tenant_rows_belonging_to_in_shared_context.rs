//~ E0277
//~ message: `schema::visits::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, patient: &Patient) -> QueryResult<Vec<Visit>> {
    Visit::belonging_to(patient).load::<Visit>(ctx)
}
