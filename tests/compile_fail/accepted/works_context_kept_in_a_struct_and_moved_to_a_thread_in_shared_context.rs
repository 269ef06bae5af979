use diesel_tenants::prelude::*;
use schema::*;

pub struct Request {
    pub ctx: SharedContext,
    pub user: String,
}

pub fn case(mut request: Request) -> QueryResult<usize> {
    let thread = std::thread::spawn(move || diesel::delete(users::table).execute(&mut request.ctx));
    thread.join().unwrap_or(Ok(0))
}
