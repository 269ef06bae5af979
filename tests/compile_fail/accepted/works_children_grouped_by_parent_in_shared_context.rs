use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(User, Vec<Session>)>> {
    let parents = users::table.load::<User>(ctx)?;
    let children = Session::belonging_to(&parents)
        .load::<Session>(ctx)?
        .grouped_by(&parents);
    Ok(parents.into_iter().zip(children).collect())
}
