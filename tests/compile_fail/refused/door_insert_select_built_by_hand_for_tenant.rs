//~ E0451

use diesel_tenants::doors::InsertSelect;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case<C, Q>(
    columns: std::marker::PhantomData<fn() -> C>,
    query: Q,
) -> InsertSelect<wards::table, C, Q> {
    InsertSelect {
        target: wards::table,
        columns,
        query,
        returning: diesel_tenants::doors::NoReturning,
    }
}
