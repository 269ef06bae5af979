//! Renaming: what a tenant is called, and where it answers, while it is in use.
//!
//! One transaction on the catalogue. Names are in no path and in no database of the tenant, so no context is closed.
use super::refusal;
use crate::backend::Backend;
use crate::catalog::{NewNames, Renamed};
use crate::error::RenameError;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// The names a tenant is to have. What is not set stays as it is.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Rename {
    display_name: Option<String>,
    subdomain: Option<Option<String>>,
}

impl Rename {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another name for people to see; see [`DisplayName`](crate::DisplayName).
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// Another subdomain, unique among tenants; see [`Subdomain`](crate::Subdomain). The old one is free then.
    pub fn subdomain(mut self, subdomain: impl Into<String>) -> Self {
        self.subdomain = Some(Some(subdomain.into()));
        self
    }

    /// No subdomain any more.
    pub fn no_subdomain(mut self) -> Self {
        self.subdomain = Some(None);
        self
    }
}

impl<C: Backend> Tenancy<C> {
    /// Changes what a tenant is called and the subdomain it answers at. Its id never changes.
    ///
    /// The tenant stays in use: contexts that are open go on, and new ones are opened meanwhile. The old subdomain is
    /// refused at once in this process, and within their freshness bound (default 1 s) in others. All or nothing.
    ///
    /// # Errors
    /// See [`RenameError`].
    ///
    /// # Example
    /// ```
    /// # use diesel_tenants::{Rename, prelude::*};
    /// # diesel::table! { users { id -> Integer, } }
    /// # diesel::table! { patients { id -> Integer, } }
    /// # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
    /// # let directory = tempfile::tempdir()?;
    /// # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(directory.path().join("data")).init().open()?;
    /// # let id: TenantId = "TH001".parse()?;
    /// # tenancy.create(&id, NewTenant::named("Teaching Hospital").subdomain("teaching"))?;
    /// tenancy.rename(&id, Rename::new().display_name("City General").subdomain("city"))?;
    /// assert_eq!(tenancy.handle_at(&"city".parse()?)?.id(), id);
    /// assert!(tenancy.handle_at(&"teaching".parse()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rename(&self, id: &TenantId, to: Rename) -> Result<(), RenameError> {
        let registry = &self.registry;
        let record = registry.tenant(id)?.record();
        let names = NewNames {
            display_name: to.display_name.map(|name| name.parse()).transpose()?,
            subdomain: match to.subdomain {
                Some(Some(name)) => Some(Some(name.parse()?)),
                Some(None) => Some(None),
                None => None,
            },
        };
        match registry.change(|c| c.rename(record.uuid, &names))? {
            Renamed::Done => Ok(()),
            Renamed::Not(refused) => Err(refusal(record.id, None, refused).into()),
            Renamed::SubdomainTaken(by) => {
                let subdomain = names.subdomain.flatten();
                let subdomain = subdomain.expect("only a subdomain that was asked for is taken");
                Err(RenameError::SubdomainTaken { subdomain, by })
            }
        }
    }
}
