//~ E0117

use diesel_tenants::prelude::*;
use schema::drafts;

routes! {
    pub static DRAFTS;
    shared {}
    tenant { care { drafts } }
}
