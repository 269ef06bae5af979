use diesel_tenants::prelude::*;

diesel::table! {
    plans (id) {
        id -> Integer,
    }
}
diesel::table! {
    #[sql_name = "order"]
    orders (id) {
        id -> Integer,
    }
}
diesel::table! {
    events (id, kind) {
        id -> Integer,
        kind -> Text,
    }
}

#[derive(HasQuery, Identifiable)]
#[diesel(table_name = orders)]
pub struct Order {
    pub id: i32,
}

routes! {
    /// Documented, private, with groups, models, trailing commas and an empty group.
    static ALL;
    shared { billing { plans, } empty {} }
    tenant { pharmacy { self::orders: self::Order } audit { events } }
}

pub fn case() -> usize {
    ALL.len()
}
