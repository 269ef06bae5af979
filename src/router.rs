//! The routing table: which table lives in which scope, as types for the compiler and as a value for people.
use std::any::TypeId;
use std::fmt;

use diesel::associations::HasTable;
use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::scope::ScopeKind;

/// One line of the [`RoutingTable`].
#[derive(Clone, Copy, serde::Serialize)]
pub struct RouteEntry {
    scope: ScopeKind,
    module: &'static str,
    table: &'static str,
    path: &'static str,
    model: Option<&'static str>,
    #[serde(skip)]
    table_type: fn() -> TypeId,
}

impl RouteEntry {
    /// Where the table lives.
    pub fn scope(&self) -> ScopeKind {
        self.scope
    }

    /// The group it was listed in: `patients` in `tenant { patients { … } }`.
    pub fn module(&self) -> &'static str {
        self.module
    }

    /// Its name in SQL.
    pub fn table(&self) -> &'static str {
        self.table
    }

    /// The path of its Diesel module, as written in `routes!`.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The model named beside it, if one was.
    pub fn model(&self) -> Option<&'static str> {
        self.model
    }
}

impl fmt::Debug for RouteEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {} ({})", self.table, self.scope, self.module)
    }
}

/// Every route of an application, in the order they were written. Made by [`routes!`](crate::routes).
///
/// Prints as a table, serialises as a list.
pub struct RoutingTable {
    entries: &'static [RouteEntry],
}

impl RoutingTable {
    /// All routes.
    pub fn iter(&self) -> std::slice::Iter<'static, RouteEntry> {
        self.entries.iter()
    }

    /// The routes of one scope.
    pub fn in_scope(&self, scope: ScopeKind) -> impl Iterator<Item = &'static RouteEntry> {
        self.entries.iter().filter(move |e| e.scope == scope)
    }

    /// The route of a table by its name in SQL, in upper or lower case: databases make no difference.
    pub fn table(&self, name: &str) -> Option<&'static RouteEntry> {
        let same = |e: &&RouteEntry| e.table.eq_ignore_ascii_case(name);
        self.entries.iter().find(same)
    }

    /// The route of a model (`User`) or of a table (`users::table`).
    pub fn of<M: HasTable>(&self) -> Option<&'static RouteEntry>
    where
        M::Table: 'static,
    {
        let wanted = TypeId::of::<M::Table>();
        self.entries.iter().find(|e| (e.table_type)() == wanted)
    }

    /// Number of routed tables.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no table is routed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl IntoIterator for &RoutingTable {
    type Item = &'static RouteEntry;
    type IntoIter = std::slice::Iter<'static, RouteEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for RoutingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries).finish()
    }
}

impl fmt::Display for RoutingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: fn(&RouteEntry) -> &str, title: &str| {
            let widest = self.entries.iter().map(|e| column(e).chars().count());
            widest.chain([title.len()]).max().unwrap_or(0)
        };
        let (m, t) = (width(|e| e.module, "module"), width(|e| e.table, "table"));
        writeln!(f, "{:6}  {:m$}  {:t$}  model", "scope", "module", "table")?;
        for e in self.entries {
            let model = e.model.and_then(|path| path.rsplit("::").next());
            let model = model.unwrap_or("-").trim();
            writeln!(f, "{:6}  {:m$}  {:t$}  {model}", e.scope, e.module, e.table)?;
        }
        Ok(())
    }
}

impl Serialize for RoutingTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.len()))?;
        for entry in self {
            seq.serialize_element(entry)?;
        }
        seq.end()
    }
}

/// Parts of the expansion of `routes!`. Not an API.
#[doc(hidden)]
pub mod private {
    pub use diesel::internal::table_macro::StaticQueryFragment;
    pub use std::any::TypeId;

    pub use crate::scope::{SharedScope as Shared, TenantScope as Tenant};

    // Not public: rustc would print them by this path, in errors that have nothing to do with `routes!`.
    use diesel::associations::HasTable;
    use diesel::internal::table_macro::Identifier;
    use diesel::query_source::TableNotEqual;

    use super::{RouteEntry, RoutingTable, ScopeKind};

    /// Whether `A` and `B` may stand in one query: the inherent constant exists only where Diesel was told so,
    /// and an inherent constant is preferred over a trait's.
    pub struct Probe<A, B>(std::marker::PhantomData<(A, B)>);
    pub trait Fallback {
        const SPANS: bool = false;
    }
    impl<A, B> Fallback for Probe<A, B> {}
    impl<A: TableNotEqual<B>, B: diesel::Table> Probe<A, B> {
        pub const SPANS: bool = true;
    }

    pub const fn same_table<M: HasTable<Table = T>, T>() {}

    #[diagnostic::on_unimplemented(
        message = "`{T}` is named with a schema",
        label = "a routed table has a plain name",
        note = "leave the schema out of `table!`: the scope already says which database the table is in"
    )]
    pub trait PlainName<T> {}
    impl<T> PlainName<T> for Identifier<'static> {}
    pub const fn plain_name<T: StaticQueryFragment<Component: PlainName<T>>>() {}

    pub const fn sql_name(name: &'static Identifier<'static>) -> &'static str {
        name.0
    }

    pub const fn entry(
        scope: ScopeKind,
        module: &'static str,
        table: &'static str,
        path: &'static str,
        model: &'static [&'static str],
        table_type: fn() -> TypeId,
    ) -> RouteEntry {
        let model = match model {
            [name, ..] => Some(*name),
            [] => None,
        };
        RouteEntry {
            scope,
            module,
            table,
            path,
            model,
            table_type,
        }
    }

    /// Two Diesel tables of one SQL name would let a fragment meant for one scope run in the other.
    pub const fn table(entries: &'static [RouteEntry]) -> RoutingTable {
        let mut i = 0;
        while i < entries.len() {
            let RouteEntry { table, path, .. } = entries[i];
            let mut j = i + 1;
            while j < entries.len() {
                let other = entries[j].path;
                if same(path, other) {
                    let end = "` is listed twice in `routes!`: a table has one scope";
                    refuse(&["`", path, end]);
                }
                if same(table, entries[j].table) {
                    let end = "` have one name in SQL, whose scope would be ambiguous: rename one";
                    refuse(&["`", path, "` and `", other, end]);
                }
                j += 1;
            }
            if reserved(table) {
                let end = "` in SQL: names with `__tenants_` belong to diesel-tenants";
                refuse(&["`", path, "` is `", table, end]);
            }
            i += 1;
        }
        RoutingTable { entries }
    }

    /// Fails the build with `parts` as its message: a panic in a constant takes one string.
    const fn refuse(parts: &[&str]) -> ! {
        let mut text = [0; 512];
        let (mut end, mut part) = (0, 0);
        while part < parts.len() {
            let bytes = parts[part].as_bytes();
            let mut i = 0;
            while i < bytes.len() && end < text.len() {
                text[end] = bytes[i];
                (i, end) = (i + 1, end + 1);
            }
            part += 1;
        }
        match std::str::from_utf8(text.split_at(end).0) {
            Ok(text) => panic!("{}", text),
            Err(_) => panic!("a name in `routes!` is too long"),
        }
    }

    const fn same(a: &str, b: &str) -> bool {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        if a.len() != b.len() {
            return false;
        }
        let mut i = 0;
        while i < a.len() {
            if !a[i].eq_ignore_ascii_case(&b[i]) {
                return false;
            }
            i += 1;
        }
        true
    }

    const fn reserved(name: &str) -> bool {
        let (name, prefix) = (name.as_bytes(), b"__tenants_");
        let mut i = 0;
        while i < prefix.len() {
            if i >= name.len() || !name[i].eq_ignore_ascii_case(&prefix[i]) {
                return false;
            }
            i += 1;
        }
        true
    }
}

/// Declares where every table of the application lives.
///
/// Lists Diesel's table *modules*, grouped by the part of the application they belong to, under `shared` or `tenant`.
/// A model may be named beside its table; that it belongs to that table is checked.
///
/// Makes a [`RoutingTable`] and, for the compiler, a [`Route`](crate::Route) for each table. What does not compile:
/// a table listed twice or in both scopes (E0119), two tables of one SQL name (E0080), a model of another table
/// (E0271), and an `allow_tables_to_appear_in_same_query!` that spans the scopes (E0080, naming both tables).
///
/// # Example
/// ```
/// use diesel_tenants::prelude::*;
///
/// mod schema {
///     diesel::table! { users { id -> Integer, name -> Text, } }
///     diesel::table! { patients { id -> Integer, ward -> Text, } }
/// }
/// use schema::patients;
///
/// #[derive(Queryable, Identifiable)]
/// struct Patient { id: i32, ward: String }
///
/// routes! {
///     /// Where every table of the application lives.
///     pub static ROUTES;
///     shared { accounts { schema::users } }
///     tenant { patients { schema::patients: Patient } }
/// }
///
/// let route = ROUTES.of::<Patient>().expect("listed above");
/// assert_eq!(route.scope(), ScopeKind::Tenant);
/// assert_eq!(route.table(), "patients");
/// print!("{ROUTES}");
/// ```
#[macro_export]
macro_rules! routes {
    (
        $(#[$attr:meta])* $vis:vis static $name:ident;
        shared { $($smod:ident { $($s:path $(: $smodel:path)?),* $(,)? })* }
        tenant { $($tmod:ident { $($t:path $(: $tmodel:path)?),* $(,)? })* }
    ) => {
        $($( $crate::routes!(@route Shared $s $(, $smodel)?); )*)*
        $($( $crate::routes!(@route Tenant $t $(, $tmodel)?); )*)*
        $crate::routes!(@apart [$($($s)*)*] [$($($t)*)*]);
        $(#[$attr])*
        $vis static $name: $crate::RoutingTable = $crate::__private::table(&[
            $($( $crate::routes!(@entry Shared $smod $s $(, $smodel)?), )*)*
            $($( $crate::routes!(@entry Tenant $tmod $t $(, $tmodel)?), )*)*
        ]);
    };
    (@route $scope:ident $path:path $(, $model:path)?) => {
        const _: () = {
            use $path as routed;
            impl $crate::Route for routed::table { type Scope = $crate::__private::$scope; }
            impl $crate::$scope for routed::table {}
            impl $crate::Reads for routed::table {}
            $crate::__private::plain_name::<routed::table>();
            $( $crate::__private::same_table::<$model, routed::table>(); )?
        };
    };
    (@entry $scope:ident $module:ident $path:path $(, $model:path)?) => {{
        use $path as routed;
        $crate::__private::entry(
            $crate::ScopeKind::$scope,
            stringify!($module),
            $crate::__private::sql_name(
                <routed::table as $crate::__private::StaticQueryFragment>::STATIC_COMPONENT,
            ),
            stringify!($path),
            &[$(stringify!($model))?],
            $crate::__private::TypeId::of::<routed::table>,
        )
    }};
    // Every shared table against every tenant table.
    (@apart [$($s:path)*] $tenant:tt) => { $( $crate::routes!(@row $s, $tenant); )* };
    (@row $s:path, [$($t:path)*]) => { $( const _: () = {
        use $s as shared;
        use $t as tenant;
        use $crate::__private::Fallback as _;
        assert!(
            !<$crate::__private::Probe<shared::table, tenant::table>>::SPANS
                && !<$crate::__private::Probe<tenant::table, shared::table>>::SPANS,
            concat!(
                "`allow_tables_to_appear_in_same_query!` spans two databases: `", stringify!($s),
                "` is shared, `", stringify!($t), "` belongs to a tenant; list tables of one scope only"
            )
        );
    }; )* };
}
