use diesel_tenants::prelude::*;

diesel::table! {
    drafts {
        id -> Integer,
        name -> Text,
    }
}

routes! {
    pub static DRAFTS;
    shared {}
    tenant { care { drafts } }
}
