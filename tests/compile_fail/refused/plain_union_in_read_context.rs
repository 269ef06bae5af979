//~ E0277
//~ message: is not in a tenant database
//~ E0277
//~ message: this statement writes
//~ mentions: UNION and INSERT … SELECT through `diesel_tenants::doors`

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<Vec<String>> {
    let (a, b) = (
        patients::table.select(patients::name),
        wards::table.select(wards::name),
    );
    a.union(b).load(ctx)
}
