//! What the application gives the engine to call, and how it is to be called.
use std::sync::Arc;
use std::time::Duration;

use crate::access::{BREAK_GLASS_MAX, Membership};
use crate::audit::AuditSettings;
use crate::backend::Backend;
use crate::workflow::Registered;

pub(crate) struct Hooks<C: Backend> {
    pub(crate) membership: Option<Arc<dyn Membership<C>>>,
    pub(crate) break_glass_max: Duration,
    pub(crate) audit: AuditSettings,
    pub(crate) workflows: Vec<Arc<dyn Registered<C>>>,
}

impl<C: Backend> Default for Hooks<C> {
    fn default() -> Self {
        Self {
            membership: None,
            break_glass_max: BREAK_GLASS_MAX,
            audit: AuditSettings::default(),
            workflows: Vec::new(),
        }
    }
}
