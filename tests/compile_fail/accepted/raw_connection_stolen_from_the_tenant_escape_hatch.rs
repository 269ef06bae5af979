use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let mut looked = None;
    ctx.unrouted("a look", |raw| {
        looked = Some(raw.reason().len());
        QueryResult::Ok(())
    })?;
    Ok(looked.map_or(0, |_| 1))
}
