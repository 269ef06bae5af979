//! What stands in a row is in no error, whatever the type that cannot read it says.
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel_tenants::error::ValueWithheld;
use diesel_tenants::fleet::FailureKind;
use diesel_tenants::prelude::*;
use diesel_tenants::{Error, MigrateFleet, MigrationSet};

use crate::app::{admit, builder, fleet_with, patients, users, wards};

const SECRET: &str = "Zenobia Zwergenstein";

/// A type that says all it knows.
#[derive(Debug, FromSqlRow, AsExpression)]
#[diesel(sql_type = Text)]
struct Talkative;

impl FromSql<Text, Sqlite> for Talkative {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let text = <String as FromSql<Text, Sqlite>>::from_sql(value)?;
        Err(format!("no number: {text}").into())
    }
}

impl ToSql<Text, Sqlite> for Talkative {
    fn to_sql<'b>(&'b self, _: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        Err(format!("no text: {SECRET}").into())
    }
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = patients)]
struct Patient {
    #[allow(dead_code)]
    name: Talkative,
}

/// Whatever is printed of it, with all its causes.
fn printed(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts = causes.map(|error| format!("{error}\n{error:?}\n{error:#?}\n"));
    texts.collect()
}

#[test]
fn what_cannot_be_read_or_bound_is_in_no_error() {
    let fleet = fleet_with(|builder| builder.tenant_migrations(MigrationSet::new([wards()])));
    let id: TenantId = "TH001".parse().unwrap();
    let new = NewTenant::named("Teaching Hospital");
    fleet.tenancy.create(&id, new).unwrap();
    let mut ctx = fleet.tenancy.tenant(&id).unwrap();
    admit(&mut ctx, SECRET).unwrap();
    let shared = &mut fleet.tenancy.shared().unwrap();
    let row = (users::id.eq(1), users::name.eq(SECRET));
    let insert = diesel::insert_into(users::table).values(row);
    insert.execute(shared).unwrap();

    let ctx = &mut ctx;
    let name = || patients::table.select(patients::name);
    let all = patients::table.select(Patient::as_select());
    let bound = patients::table.filter(patients::name.eq(Talkative));
    let mut rows = name().load_iter::<Talkative, _>(ctx).unwrap();
    let row = rows.next().unwrap().unwrap_err();
    drop(rows);
    let errors = [
        row,
        name().load::<Talkative>(ctx).unwrap_err(),
        name().first::<Talkative>(ctx).unwrap_err(),
        all.get_result::<Patient>(ctx).unwrap_err(),
        bound.count().get_result::<i64>(ctx).unwrap_err(),
    ];
    for (n, error) in errors.into_iter().enumerate() {
        // It was there to be said.
        let withheld = ValueWithheld::of(&error).expect("it is withheld");
        assert!(printed(withheld.in_full()).contains(SECRET), "{n}");
        let column = withheld.column();
        assert!(matches!(column, None | Some("name")), "{n} {column:?}");
        for printed in [printed(&error), printed(&Error::from(error))] {
            assert!(!printed.contains("Zenobia"), "{n} {printed}");
            assert!(printed.contains("a value"), "{n} {printed}");
        }
    }
    // What is no value stays: a null where there is none.
    let null = diesel::dsl::sql::<Text>("NULL");
    let null = patients::table.select(null).load::<String>(ctx);
    assert!(null.unwrap_err().to_string().contains("null"));
    // An error that comes around the contexts loses it where it becomes one of the library's.
    let raw: QueryResult<Vec<Talkative>> = ctx.unrouted("on purpose", |raw| {
        diesel::RunQueryDsl::load(name(), raw.connection())
    });
    let raw = raw.unwrap_err();
    assert!(printed(&raw).contains(SECRET));
    assert!(!printed(&Error::from(raw)).contains("Zenobia"));
    // Nor is it in a report that is kept.
    let tenancy = builder(&fleet.root).open().unwrap();
    let inside = tenancy.clone();
    let options = MigrateFleet::default().before_each(move |_| {
        let shared = &mut inside.shared()?;
        let names = users::table.select(users::name);
        Ok(names.load::<Talkative>(shared).map(drop)?)
    });
    let report = tenancy.migrate_fleet(&options, |_| {}).unwrap();
    let kept = tenancy.fleet_run(report.run.unwrap()).unwrap();
    for report in [report, kept] {
        let failure = report.tenants[0].error.as_ref().expect("the hook fails");
        assert_eq!(failure.kind, FailureKind::Before);
        assert!(failure.message.contains("a value"), "{}", failure.message);
        let told = serde_json::to_string(&report).unwrap();
        assert!(!format!("{told} {report:?}").contains("Zenobia"), "{told}");
    }
}
