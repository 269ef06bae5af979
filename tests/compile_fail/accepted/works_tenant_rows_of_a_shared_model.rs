use diesel_tenants::prelude::*;
use schema::*;

mod tenant {
    diesel::table! {
        duties (id) {
            id -> Integer,
            user_id -> Integer,
        }
    }
}
use tenant::duties;

#[derive(Identifiable, HasQuery, Associations)]
#[diesel(table_name = duties, belongs_to(User))]
pub struct Duty {
    pub id: i32,
    pub user_id: i32,
}

routes! {
    pub static DUTIES;
    shared {}
    tenant { staff { duties: Duty } }
}

// Two queries: the users are in the other database.
pub fn case(shared: &mut SharedContext, ctx: &mut TenantContext) -> QueryResult<Vec<Vec<Duty>>> {
    let users = users::table.load::<User>(shared)?;
    Ok(Duty::belonging_to(&users)
        .load::<Duty>(ctx)?
        .grouped_by(&users))
}
