//! Typed keys: [`Id`] for rows, [`SharedRef`] for a tenant row's pointer to a row of the shared database.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use diesel::associations::Identifiable;
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// SQL types for `diesel::table!`, beside those of `diesel::sql_types`.
pub mod sql_types {
    /// The column type of [`Id`](super::Id) and [`SharedRef`](super::SharedRef): a 16-byte `BLOB` on SQLite, `uuid`
    /// on PostgreSQL.
    #[derive(Debug, Clone, Copy, diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
    #[diesel(sqlite_type(name = "Binary"))]
    #[diesel(postgres_type(name = "uuid"))]
    pub struct Id;
}

/// The primary key of a row of type `T`: a version 7 UUID made by the application.
///
/// Ids made later sort later (to the millisecond between processes, strictly within one), so that new rows go to the end
/// of an index. The text form, in `Display`, `Debug`, `FromStr` and serde alike, is the hyphenated one.
///
/// # Example
///
/// ```
/// use diesel_tenants::id::Id;
///
/// struct Patient;
///
/// let id = Id::<Patient>::new();
/// assert_eq!(id.to_string().parse::<Id<Patient>>()?, id);
/// # Ok::<(), diesel_tenants::id::ParseIdError>(())
/// ```
///
/// The key of one table is not the key of another:
///
/// ```compile_fail,E0308
/// use diesel_tenants::id::Id;
///
/// struct Patient;
/// struct Doctor;
///
/// let patient: Id<Patient> = Id::<Doctor>::new();
/// ```
#[derive(AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Id)]
pub struct Id<T> {
    uuid: Uuid,
    // `fn() -> T` rather than `T`: a key is `Send` and `Sync` whatever its row is.
    row: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// Makes a key that no other row has.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "a default that differs at every call would surprise"
    )]
    pub fn new() -> Self {
        Self::from_uuid(Uuid::now_v7())
    }

    /// Takes a UUID of any version as the key, for rows that had one before.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self {
            uuid,
            row: PhantomData,
        }
    }

    /// The key without its type.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.uuid
    }
}

/// A tenant row's pointer to a row of the shared database.
///
/// It has the column type of [`Id`], and is a Rust type of its own: the row is in another database, so no foreign key
/// can guard the pointer (SQLite would refuse every insert into the table), no join can follow it, and the row may be gone.
///
/// A page of tenant rows and the shared rows they point to take two queries, one in each database: load the page, ask the
/// shared database for the [`distinct`](Self::distinct) keys in it with `eq_any`, and look the answers up [`by_id`].
///
/// # Example
///
/// ```
/// use diesel_tenants::id::{Id, SharedRef};
///
/// struct User;
///
/// let (ada, ben) = (Id::<User>::new(), Id::<User>::new());
/// let registered_by = [Some(SharedRef::from(ben)), None, Some(ada.into()), Some(ben.into())];
/// assert_eq!(SharedRef::distinct(registered_by.into_iter().flatten()), [ada, ben]);
/// ```
#[derive(AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Id)]
pub struct SharedRef<T>(Id<T>);

impl<T> SharedRef<T> {
    /// The key of the shared row.
    #[must_use]
    pub const fn id(self) -> Id<T> {
        self.0
    }

    /// The keys that `refs` point to, each once, in ascending order: what one `eq_any` asks for.
    #[must_use]
    pub fn distinct(refs: impl IntoIterator<Item = Self>) -> Vec<Id<T>> {
        let mut ids: Vec<_> = refs.into_iter().map(Self::id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

impl<T> From<Id<T>> for SharedRef<T> {
    fn from(id: Id<T>) -> Self {
        Self(id)
    }
}

/// The rows by their keys, for looking up what a [`SharedRef`] points to.
///
/// # Example
///
/// ```
/// use diesel::prelude::*;
/// use diesel_tenants::id::{Id, SharedRef, by_id};
/// # diesel::table! {
/// #     use diesel::sql_types::*;
/// #     use diesel_tenants::id::sql_types::Id;
/// #     users { id -> Id, name -> Text, }
/// # }
///
/// #[derive(Queryable, Identifiable)]
/// struct User {
///     id: Id<User>,
///     name: String,
/// }
///
/// let ada = User { id: Id::new(), name: "Ada".into() };
/// let registered_by = SharedRef::from(ada.id);
/// let users = by_id(vec![ada]);
/// let name = users.get(&registered_by.id()).map(|user| user.name.as_str());
/// assert_eq!(name, Some("Ada"));
/// ```
#[must_use]
pub fn by_id<U>(rows: Vec<U>) -> HashMap<Id<U>, U>
where
    for<'a> &'a U: Identifiable<Id = &'a Id<U>>,
{
    rows.into_iter().map(|row| (*(&row).id(), row)).collect()
}

/// The text is not a hyphenated UUID.
// No `uuid::Error` inside: it quotes the text, which may be anything a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected a UUID of 36 characters with hyphens")]
pub struct ParseIdError;

impl<T> FromStr for Id<T> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        match text.parse::<Hyphenated>() {
            Ok(uuid) => Ok(Self::from_uuid(uuid.into_uuid())),
            Err(_) => Err(ParseIdError),
        }
    }
}

impl<T> FromStr for SharedRef<T> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(Self)
    }
}

/// Implements for both keys what `derive` would only implement where the row type has it too.
macro_rules! key_traits {
    ($($key:ident . $inner:tt),*) => {$(
        impl<T> Clone for $key<T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $key<T> {}

        impl<T> PartialEq for $key<T> {
            fn eq(&self, other: &Self) -> bool {
                self.$inner == other.$inner
            }
        }

        impl<T> Eq for $key<T> {}

        impl<T> Hash for $key<T> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.$inner.hash(state);
            }
        }

        impl<T> PartialOrd for $key<T> {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl<T> Ord for $key<T> {
            fn cmp(&self, other: &Self) -> Ordering {
                self.$inner.cmp(&other.$inner)
            }
        }

        impl<T> fmt::Display for $key<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.$inner, f)
            }
        }

        // Also what Diesel's instrumentation would print: keys are no personal data and help to find the row.
        impl<T> fmt::Debug for $key<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl<T> Serialize for $key<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de, T> Deserialize<'de> for $key<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
key_traits!(Id.uuid, SharedRef.0);

#[cfg(feature = "sqlite")]
mod sqlite {
    use diesel::deserialize::{self, FromSql};
    use diesel::serialize::{self, IsNull, Output, ToSql};
    use diesel::sqlite::{Sqlite, SqliteType, SqliteValue};
    use uuid::Uuid;

    use super::{Id, SharedRef, sql_types};

    /// SQLite checks no column's type: what lies there is not necessarily a key.
    #[derive(Debug, thiserror::Error)]
    #[error("an id column holds something other than a BLOB of 16 bytes")]
    struct NotAnId;

    impl<T> ToSql<sql_types::Id, Sqlite> for Id<T> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(self.uuid.as_bytes().as_slice());
            Ok(IsNull::No)
        }
    }

    impl<T> FromSql<sql_types::Id, Sqlite> for Id<T> {
        fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            // Read as a BLOB, a text of 16 characters would pass for a key.
            if value.value_type() != Some(SqliteType::Binary) {
                return Err(NotAnId.into());
            }
            let bytes = value.read_blob().try_into().map_err(|_| NotAnId)?;
            Ok(Self::from_uuid(Uuid::from_bytes(bytes)))
        }
    }

    impl<T> ToSql<sql_types::Id, Sqlite> for SharedRef<T> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            ToSql::<sql_types::Id, Sqlite>::to_sql(&self.0, out)
        }
    }

    impl<T> FromSql<sql_types::Id, Sqlite> for SharedRef<T> {
        fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            Id::from_sql(value).map(Self)
        }
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use diesel::prelude::*;
    use diesel::sql_types::{Nullable, Text};

    use super::*;

    mod schema {
        diesel::table! {
            use crate::id::sql_types::Id;
            use diesel::sql_types::*;

            wards {
                id -> Id,
                matron -> Nullable<Id>,
            }
        }

        diesel::table! {
            use crate::id::sql_types::Id;
            use diesel::sql_types::*;

            cots {
                id -> Id,
                ward_id -> Id,
            }
        }

        diesel::joinable!(cots -> wards (ward_id));
        diesel::allow_tables_to_appear_in_same_query!(cots, wards);
    }
    use schema::{cots, wards};

    struct User;

    #[derive(Debug, PartialEq, Queryable, Selectable, Insertable, Identifiable)]
    #[diesel(table_name = wards)]
    struct Ward {
        id: Id<Ward>,
        matron: Option<SharedRef<User>>,
    }

    #[derive(Debug, PartialEq, Queryable, Selectable, Insertable, Identifiable, Associations)]
    #[diesel(table_name = cots, belongs_to(Ward))]
    struct Cot {
        id: Id<Cot>,
        ward_id: Id<Ward>,
    }

    fn database() -> SqliteConnection {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        diesel::connection::SimpleConnection::batch_execute(
            &mut conn,
            "CREATE TABLE wards (id BLOB NOT NULL PRIMARY KEY, matron BLOB);
             CREATE TABLE cots (id BLOB NOT NULL PRIMARY KEY, ward_id BLOB NOT NULL REFERENCES wards);",
        )
        .unwrap();
        conn
    }

    #[test]
    fn text_form_is_hyphenated_everywhere() {
        let text = "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
        let id: Id<User> = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(format!("{id:?}"), text);
        assert_eq!(
            serde_json::to_string(&SharedRef::from(id)).unwrap(),
            format!("\"{text}\"")
        );
        assert_eq!(
            serde_json::from_str::<SharedRef<User>>(&format!("\"{text}\"")).unwrap(),
            SharedRef::from(id)
        );
    }

    #[test]
    fn other_text_forms_are_refused_without_being_repeated() {
        for text in [
            "",
            "0197a1b2c3d47e5f8a9b0c1d2e3f4a5b",
            "{0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b}",
            "urn:uuid:0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
            " 0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
            "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5g",
        ] {
            assert_eq!(text.parse::<Id<User>>(), Err(ParseIdError), "{text}");
        }
        let error = serde_json::from_str::<Id<User>>("\"secret\"").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn new_ids_ascend() {
        let ids: Vec<_> = (0..1000).map(|_| Id::<User>::new()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ids[0].as_uuid().get_version_num(), 7);
    }

    #[test]
    fn distinct_sorts_and_removes_duplicates() {
        let ids: Vec<_> = (0..3).map(|_| Id::<User>::new()).collect();
        let refs = [ids[2], ids[0], ids[1], ids[0], ids[2]].map(SharedRef::from);
        assert_eq!(SharedRef::distinct(refs), ids);
    }

    #[test]
    fn keys_work_in_every_place_diesel_uses_them() {
        let mut conn = database();
        let matron = Id::<User>::new();
        let open = Ward {
            id: Id::new(),
            matron: Some(matron.into()),
        };
        let closed = Ward {
            id: Id::new(),
            matron: None,
        };
        diesel::insert_into(wards::table)
            .values([&open, &closed])
            .execute(&mut conn)
            .unwrap();
        let cot = Cot {
            id: Id::new(),
            ward_id: open.id,
        };
        diesel::insert_into(cots::table)
            .values(&cot)
            .execute(&mut conn)
            .unwrap();

        let by_key: Ward = wards::table.find(open.id).first(&mut conn).unwrap();
        assert_eq!(by_key, open);
        let by_matron: Ward = wards::table
            .filter(wards::matron.eq(SharedRef::from(matron)))
            .select(Ward::as_select())
            .first(&mut conn)
            .unwrap();
        assert_eq!(by_matron, open);
        let both: Vec<Ward> = wards::table
            .filter(wards::id.eq_any([open.id, closed.id]))
            .order(wards::id)
            .load(&mut conn)
            .unwrap();
        let children = Cot::belonging_to(&both).load::<Cot>(&mut conn).unwrap();
        assert_eq!(children.grouped_by(&both), [vec![cot], vec![]]);
        let joined: Id<Ward> = cots::table
            .inner_join(wards::table)
            .select(wards::id)
            .first(&mut conn)
            .unwrap();
        assert_eq!(joined, open.id);
        assert_eq!(by_id(both)[&closed.id], closed);
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let mut conn = database();
        for value in ["'sixteen letters!'", "x'00'", "x''", "7"] {
            let result = diesel::dsl::sql::<sql_types::Id>(&format!("SELECT {value}"))
                .get_result::<Id<User>>(&mut conn);
            assert!(result.is_err(), "{value}");
        }
        let nothing = diesel::dsl::sql::<Nullable<sql_types::Id>>("SELECT NULL")
            .get_result::<Option<Id<User>>>(&mut conn);
        assert_eq!(nothing, Ok(None));
    }

    #[test]
    fn a_key_is_stored_as_16_bytes() {
        let mut conn = database();
        let ward = Ward {
            id: "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b".parse().unwrap(),
            matron: None,
        };
        diesel::insert_into(wards::table)
            .values(&ward)
            .execute(&mut conn)
            .unwrap();
        let stored: String = wards::table
            .select(diesel::dsl::sql::<Text>("hex(id)"))
            .first(&mut conn)
            .unwrap();
        assert_eq!(stored, "0197A1B2C3D47E5F8A9B0C1D2E3F4A5B");
    }
}
