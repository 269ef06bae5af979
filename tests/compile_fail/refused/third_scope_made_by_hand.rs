//~ E0277

use diesel_tenants::prelude::*;

mod schema {
    diesel::table! {
        users {
            id -> Integer,
            name -> Text,
        }
    }
    diesel::table! {
        patients {
            id -> Integer,
            name -> Text,
        }
    }
}

use diesel_tenants::scope::Scope;

pub enum Nowhere {}

impl Scope for Nowhere {
    const KIND: ScopeKind = ScopeKind::Tenant;
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::users } }
    tenant { care { schema::patients } }
}
