//~ E0521

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let mut stolen = None;
    ctx.unrouted("a look", |raw| {
        stolen = Some(raw.connection());
        QueryResult::Ok(())
    })?;
    Ok(stolen.map_or(0, |_| 1))
}
