//~ E0451

use diesel_tenants::doors::InsertSelect;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case<C, Q>(
    columns: std::marker::PhantomData<fn() -> C>,
    query: Q,
) -> InsertSelect<hospitals::table, C, Q> {
    InsertSelect {
        target: hospitals::table,
        columns,
        query,
        returning: diesel_tenants::doors::NoReturning,
    }
}
