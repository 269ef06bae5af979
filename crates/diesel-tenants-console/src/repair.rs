//! Repair: the plan is shown first, and exactly that plan is carried out.
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use diesel_tenants::repair::{RepairOptions, RepairPlan, SqlLiteral};
use diesel_tenants::{Tenancy, TenantId};
use sha2::{Digest, Sha256};

use crate::action::Outcome;
use crate::console::App;
use crate::failure::{Failure, in_full, show};
use crate::given::{Asked, Fields};
use crate::session::Operator;
use crate::view;

/// What the names of fields begin with whose values fill a column: `fill:table:column`.
const FILL: &str = "fill:";

#[derive(Template)]
#[template(path = "repair.html")]
struct Page<'a> {
    me: &'a Operator,
    plan: &'a RepairPlan,
    digest: String,
    fills: Vec<(&'a str, &'a str)>,
}

/// `GET /tenants/{id}/plan`: what would be done. Changes nothing.
pub(crate) async fn page(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
    Asked(fields): Asked,
) -> Result<Response, Failure> {
    let id: TenantId = id.parse().map_err(|_| Failure::NotFound)?;
    let asked = fields.clone();
    let tenancy = operator.acting(&app);
    let plan = app.blocking(move |_| {
        tenancy.handle(&id).map_err(Failure::unless_unknown)?;
        // A database that cannot be looked at, or a value that fits no column: nothing went wrong here.
        let plan = tenancy.plan_repair(&id, &options(&asked));
        plan.map_err(|error| Failure::NotNow(in_full(&error)))
    });
    let plan = plan.await?;
    Ok(show(&Page {
        me: &operator,
        digest: digest(&plan),
        plan: &plan,
        fills: fields.beginning(FILL).collect(),
    }))
}

/// Carries the plan out that was shown, or none.
pub(crate) fn perform(
    tenancy: &Tenancy,
    id: &TenantId,
    fields: &Fields,
) -> Result<Outcome, Failure> {
    let plan = tenancy.plan_repair(id, &options(fields))?;
    if digest(&plan) != fields.get("plan") {
        return Err(Failure::BadForm(
            "The database is not as it was when the plan was shown; nothing was done. Look at the plan again.",
        ));
    }
    let report = tenancy.repair(id, &plan)?;
    let mut lines = report.steps;
    if let Some(backup) = report.backup {
        lines.push(format!("what was there before is in backup {}", backup.id));
    }
    let left = report.after.reasons.iter().map(ToString::to_string);
    lines.extend(left);
    Ok(Outcome {
        good: report.after.is_ready(),
        summary: format!(
            "Repaired; the database is {}.",
            view::health_word(report.after.status)
        ),
        lines,
    })
}

/// Values that were given for columns; empty ones were not.
fn options(fields: &Fields) -> RepairOptions {
    let given = fields
        .beginning(FILL)
        .filter(|(_, value)| !value.is_empty());
    given.fold(RepairOptions::default(), |options, (name, value)| {
        let Some((table, column)) = name.split_once(':') else {
            return options;
        };
        let value = match value.parse::<i64>() {
            Ok(number) => SqlLiteral::Integer(number),
            Err(_) => SqlLiteral::Text(value.to_owned()),
        };
        options.fill(table, column, value)
    })
}

/// Stands for all that the plan says.
fn digest(plan: &RepairPlan) -> String {
    let text = format!("{}\n{plan}", plan.fingerprint);
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
