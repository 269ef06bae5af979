//! `create-test`
use std::collections::HashSet;
use std::fmt;

use clap::Args;
use diesel_tenants::{NewTenant, TenantId};
use serde::Serialize;

use crate::app::{App, names};
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;

/// The plan that says a tenant is there for trying things out.
const PLAN: &str = "test";

/// What the made-up names are made of.
const PLACES: [&str; 12] = [
    "Northvale",
    "Southmoor",
    "Eastbrook",
    "Westerly",
    "Hillcrest",
    "Lakeside",
    "Riverbend",
    "Oakfield",
    "Stonebridge",
    "Fairhaven",
    "Millbrook",
    "Ashgrove",
];
const KINDS: [&str; 4] = ["Hospital", "Clinic", "Medical Center", "Infirmary"];

/// Create tenants for trying things out
///
/// With made-up names, on the plan `test`, so that `list --plan test` finds them. Refused where there are tenants on other
/// plans: a directory with real tenants is no place to try things out in.
#[derive(Args, Debug)]
pub struct CreateTest {
    /// How many
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// Create them although there are tenants on other plans
    #[arg(long)]
    among_real: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CreatedForTest {
    created: Vec<Named>,
    plan: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Named {
    id: String,
    name: String,
}

impl CreateTest {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let there = tenancy.tenants()?;
        let real: Vec<TenantId> = there
            .iter()
            .filter(|record| record.plan.as_deref() != Some(PLAN))
            .map(|record| record.id)
            .collect();
        if !real.is_empty() && !self.among_real {
            let message = format!("there are tenants that are not for tests: {}", names(&real));
            let failure = Failure::new(Kind::Refused, message);
            return Err(failure
                .hint("use another data directory, or `--among-real` if you do mean this one"));
        }
        let mut taken: HashSet<TenantId> = tenancy.ids_ever_taken()?.into_iter().collect();
        let bar = app.progress(u64::from(self.count), "created");
        let mut created = Vec::new();
        for n in 0..usize::from(self.count) {
            let place = PLACES[n % PLACES.len()];
            let kind = KINDS[n / PLACES.len() % KINDS.len()];
            let name = format!("{place} {kind}");
            let id = next_free(&taken);
            tenancy.create(&id, NewTenant::named(&name).plan(PLAN))?;
            taken.insert(id);
            created.push(Named {
                id: id.to_string(),
                name,
            });
            bar.inc(1);
        }
        bar.finish_and_clear();
        app.emit(&CreatedForTest {
            created,
            plan: PLAN,
        })
    }
}

/// `TEST001`, or the first number after it that no tenant ever had.
fn next_free(taken: &HashSet<TenantId>) -> TenantId {
    let numbered = (1_u64..).filter_map(|n| format!("TEST{n:03}").parse().ok());
    let mut free = numbered.filter(|id| !taken.contains(id));
    free.next().expect("there are more numbers than tenants")
}

impl Document for CreatedForTest {
    const SCHEMA: &'static str = "create-test/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let count = show::count(self.created.len(), "tenant");
        writeln!(f, "created {count} on the plan `{}`:", self.plan)?;
        self.created
            .iter()
            .try_for_each(|Named { id, name }| writeln!(f, "  {id}  {name}"))
    }
}
