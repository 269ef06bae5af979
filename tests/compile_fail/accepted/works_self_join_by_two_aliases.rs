use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(i32, i32)>> {
    let (left, right) = diesel::alias!(patients as left_one, patients as right_one);
    left.inner_join(right.on(left.field(patients::name).eq(right.field(patients::name))))
        .select((left.field(patients::id), right.field(patients::id)))
        .load(ctx)
}
