use diesel_tenants::prelude::*;

pub struct Mine(pub TenantContext);

impl Mine {
    pub fn context(&mut self) -> &mut impl Context {
        &mut self.0
    }
}
