//! The stamp every database carries: whose it is, checked each time a connection is made.
use diesel::prelude::*;
use uuid::Uuid;

use crate::backend::TenantKey;
use crate::backend::error::{ConnectError, Stamp, Whose};

diesel::table! {
    #[sql_name = "__tenants_identity"]
    identity (id) {
        id -> Integer,
        scope -> Text,
        catalog_uuid -> Nullable<Binary>,
        tenant_uuid -> Nullable<Binary>,
        tenant_id -> Nullable<Text>,
        generation -> BigInt,
        fenced -> Bool,
    }
}

/// The DDL of the identity table.
pub(super) const CREATE: &str = include_str!("../../../migrations/sqlite/catalog/identity.sql");

/// The identity a database has, or should have.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = identity, treat_none_as_null = true)]
pub(super) struct Identity {
    pub(super) scope: String,
    pub(super) catalog_uuid: Option<Vec<u8>>,
    pub(super) tenant_uuid: Option<Vec<u8>>,
    pub(super) tenant_id: Option<String>,
    pub(super) generation: i64,
    pub(super) fenced: bool,
}

impl Identity {
    pub(super) fn shared(catalog: Uuid) -> Self {
        Self {
            scope: "shared".to_owned(),
            catalog_uuid: Some(catalog.as_bytes().to_vec()),
            tenant_uuid: None,
            tenant_id: None,
            generation: 1,
            fenced: false,
        }
    }

    pub(super) fn tenant(catalog: Uuid, key: &TenantKey, generation: u64) -> Self {
        Self {
            scope: "tenant".to_owned(),
            catalog_uuid: Some(catalog.as_bytes().to_vec()),
            tenant_uuid: Some(key.uuid.as_bytes().to_vec()),
            tenant_id: Some(key.id.as_str().to_owned()),
            generation: generation as i64,
            fenced: false,
        }
    }

    /// A template belongs to no tenant; `digest` says which migrations it was made from.
    pub(super) fn template(digest: &str) -> Self {
        Self {
            scope: "template".to_owned(),
            catalog_uuid: None,
            tenant_uuid: None,
            tenant_id: Some(digest.to_owned()),
            generation: 1,
            fenced: false,
        }
    }

    /// Reads the stamp. `None` where the database has none.
    pub(super) fn read(conn: &mut SqliteConnection) -> QueryResult<Option<Self>> {
        let columns = (
            identity::scope,
            identity::catalog_uuid,
            identity::tenant_uuid,
            identity::tenant_id,
            identity::generation,
            identity::fenced,
        );
        match identity::table.select(columns).get_result(conn).optional() {
            Err(e) if super::message(&e).is_some_and(|m| m.starts_with("no such")) => Ok(None),
            found => found,
        }
    }

    /// Writes the stamp, in place of the one that is there.
    pub(super) fn write(&self, conn: &mut SqliteConnection) -> QueryResult<()> {
        diesel::replace_into(identity::table)
            .values((identity::id.eq(1), self))
            .execute(conn)
            .map(drop)
    }

    /// Whether it is that of the same database; the fence is not looked at.
    pub(super) fn is_same_database(&self, wanted: &Self) -> bool {
        let unfenced = |identity: &Self| Self {
            fenced: false,
            ..identity.clone()
        };
        unfenced(self) == unfenced(wanted)
    }

    /// Refuses a database that is not the one that is wanted.
    pub(super) fn check(&self, wanted: &Self, whose: Whose) -> Result<(), ConnectError> {
        if self.is_same_database(wanted) {
            return Ok(());
        }
        Err(ConnectError::Foreign {
            wanted: whose,
            found: Box::new(self.told(wanted)),
        })
    }

    /// What is told of a database that is not the one that is wanted.
    pub(super) fn told(&self, wanted: &Self) -> Stamp {
        Stamp {
            other_catalog: self.catalog_uuid != wanted.catalog_uuid,
            tenant_uuid: self
                .tenant_uuid
                .as_deref()
                .and_then(|bytes| Uuid::from_slice(bytes).ok()),
            tenant_id: self.tenant_id.clone(),
            scope: self.scope.clone(),
            generation: self.generation as u64,
        }
    }
}

/// Sets or takes out the mark that this database is fenced.
pub(super) fn set_fenced(conn: &mut SqliteConnection, fenced: bool) -> QueryResult<()> {
    diesel::update(identity::table)
        .set(identity::fenced.eq(fenced))
        .execute(conn)
        .map(drop)
}
