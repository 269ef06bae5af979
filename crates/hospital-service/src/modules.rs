//! The modules' first pages: a table for people, the same as JSON for programs.
use askama::Template;
use axum::Json;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{NaiveDate, NaiveDateTime};
use diesel_tenants::models::schema::tenant::{
    appointments, doctors, invoices, medicines, patients, staff_members,
};
use diesel_tenants::prelude::*;
use diesel_tenants::services::permissions::Module;
use diesel_tenants_axum::guard::{RequireModule, RequireSubscription};
use diesel_tenants_axum::{RunError, TenantDb};
use serde_json::Value;

use crate::State;
use crate::admit;
use crate::door::members_only;
use crate::front::show;

/// Rows on a page.
const ROWS: i64 = 100;

type Cells = Vec<Vec<String>>;

/// A module's first page.
pub(crate) struct Sheet {
    pub(crate) path: &'static str,
    pub(crate) module: Module,
    columns: &'static [&'static str],
    rows: fn(&mut TenantContext) -> QueryResult<Cells>,
}

/// The modules with a page here.
pub(crate) const MODULES: [Sheet; 6] = [
    Sheet {
        path: "patients",
        module: Module::Patients,
        columns: &["number", "given_name", "family_name", "birth_date"],
        rows: |ctx| {
            let rows = patients::table
                .select((
                    patients::number,
                    patients::given_name,
                    patients::family_name,
                    patients::birth_date,
                ))
                .order(patients::number)
                .limit(ROWS)
                .load::<(String, String, String, NaiveDate)>(ctx)?;
            let cells = |(number, given, family, born): (_, _, _, NaiveDate)| {
                vec![number, given, family, born.to_string()]
            };
            Ok(rows.into_iter().map(cells).collect())
        },
    },
    Sheet {
        path: "appointments",
        module: Module::Appointments,
        columns: &["number", "starts_at", "state"],
        rows: |ctx| {
            let rows = appointments::table
                .select((
                    appointments::number,
                    appointments::starts_at,
                    appointments::state,
                ))
                .order(appointments::starts_at)
                .limit(ROWS)
                .load::<(String, NaiveDateTime, String)>(ctx)?;
            let cells =
                |(number, at, state): (_, NaiveDateTime, _)| vec![number, at.to_string(), state];
            Ok(rows.into_iter().map(cells).collect())
        },
    },
    Sheet {
        path: "doctors",
        module: Module::Doctors,
        columns: &["number", "specialization", "license_number"],
        rows: |ctx| {
            let columns = (
                doctors::number,
                doctors::specialization,
                doctors::license_number,
            );
            let rows = doctors::table.select(columns).order(doctors::number);
            three(rows.limit(ROWS).load(ctx)?)
        },
    },
    Sheet {
        path: "pharmacy",
        module: Module::Pharmacy,
        columns: &["code", "name", "generic_name"],
        rows: |ctx| {
            let columns = (medicines::code, medicines::name, medicines::generic_name);
            let rows = medicines::table.select(columns).order(medicines::code);
            three(rows.limit(ROWS).load(ctx)?)
        },
    },
    Sheet {
        path: "billing",
        module: Module::Billing,
        columns: &["number", "issued_on", "state"],
        rows: |ctx| {
            let rows = invoices::table
                .select((invoices::number, invoices::issued_on, invoices::state))
                .order(invoices::number)
                .limit(ROWS)
                .load::<(String, NaiveDate, String)>(ctx)?;
            let cells =
                |(number, on, state): (_, NaiveDate, _)| vec![number, on.to_string(), state];
            Ok(rows.into_iter().map(cells).collect())
        },
    },
    Sheet {
        path: "staff",
        module: Module::Staff,
        columns: &["number", "given_name", "family_name"],
        rows: |ctx| {
            let columns = (
                staff_members::number,
                staff_members::given_name,
                staff_members::family_name,
            );
            let rows = staff_members::table.select(columns);
            three(rows.order(staff_members::number).limit(ROWS).load(ctx)?)
        },
    },
];

fn three(rows: Vec<(String, String, String)>) -> QueryResult<Cells> {
    Ok(rows.into_iter().map(|(a, b, c)| vec![a, b, c]).collect())
}

/// The modules' routes, each behind the door, the subscription and its module.
pub(crate) fn routes() -> Router<State> {
    MODULES.iter().fold(Router::new(), |router, sheet| {
        let mut handler =
            get(move |tenant: TenantDb, headers: HeaderMap| page(sheet, tenant, headers));
        let mut module = Router::new();
        if sheet.module == Module::Patients {
            handler = handler.post(admit::admit);
            module = module.route("/patients/new", get(admit::form));
        }
        let module = module
            .route(&format!("/{}/", sheet.path), handler.clone())
            .route(&format!("/{}", sheet.path), handler)
            .layer(DefaultBodyLimit::max(admit::BODY))
            .route_layer(from_fn_with_state(sheet.module, members_only))
            .route_layer(RequireModule(sheet.module))
            .route_layer(RequireSubscription);
        router.merge(module)
    })
}

#[derive(Template)]
#[template(path = "sheet.html")]
struct Page<'a> {
    hospital: String,
    sheet: &'a Sheet,
    rows: &'a Cells,
}

async fn page(
    sheet: &'static Sheet,
    tenant: TenantDb,
    headers: HeaderMap,
) -> Result<Response, RunError> {
    let rows = tenant.run(sheet.rows).await?;
    if wants_a_page(&headers) {
        let page = Page {
            hospital: tenant.id().to_string(),
            sheet,
            rows: &rows,
        };
        return Ok(show(StatusCode::OK, &page));
    }
    let objects = rows.into_iter().map(|row| {
        let named = sheet.columns.iter().map(|column| (*column).to_owned());
        Value::Object(named.zip(row.into_iter().map(Value::String)).collect())
    });
    let json = Json(objects.collect::<Vec<Value>>());
    Ok(([(header::CACHE_CONTROL, "no-store")], json).into_response())
}

/// Whether who asks reads HTML: browsers say so, programs do not.
pub(crate) fn wants_a_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT);
    let accepted = accepted.and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}
