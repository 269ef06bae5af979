use diesel_tenants::prelude::*;
use schema::*;

pub struct Request {
    pub ctx: TenantContext,
    pub user: String,
}

pub fn case(mut request: Request) -> QueryResult<usize> {
    let thread =
        std::thread::spawn(move || diesel::delete(patients::table).execute(&mut request.ctx));
    thread.join().unwrap_or(Ok(0))
}
