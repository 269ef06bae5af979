//~ E0451

use diesel_tenants::doors::Combined;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case<Q>(query: Q) -> Combined<Q, patients::table> {
    Combined {
        query,
        first: std::marker::PhantomData,
    }
}
