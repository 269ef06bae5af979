//! `routes`
use std::fmt;

use clap::{Args, ValueEnum};
use diesel_tenants::{RouteEntry, ScopeKind};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;
use crate::table::{Table, left};
use crate::value::text;

/// Print where every table lives: shared, or in each tenant's database
///
/// This is the program's own routing table; nothing is opened.
#[derive(Args, Debug)]
pub struct Routes {
    /// This table only, by its name in SQL
    #[arg(value_parser = text::<String>())]
    table: Option<String>,
    /// The tables of this scope only
    #[arg(long)]
    scope: Option<Scope>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Shared,
    Tenant,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Routed {
    routes: Vec<Route>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Route {
    /// shared or tenant.
    scope: String,
    module: &'static str,
    table: &'static str,
    /// The model named beside the table.
    model: Option<&'static str>,
}

impl Route {
    fn of(entry: &RouteEntry) -> Self {
        let model = entry.model().and_then(|path| path.rsplit("::").next());
        Self {
            scope: entry.scope().to_string(),
            module: entry.module(),
            table: entry.table(),
            model: model.map(str::trim),
        }
    }
}

impl Routes {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let wanted = |entry: &&RouteEntry| match self.scope {
            None => true,
            Some(Scope::Shared) => entry.scope() == ScopeKind::Shared,
            Some(Scope::Tenant) => entry.scope() == ScopeKind::Tenant,
        };
        let routes = app.routes();
        let routes = match &self.table {
            None => routes.iter().filter(wanted).map(Route::of).collect(),
            Some(table) => match routes.table(table).filter(wanted) {
                Some(entry) => vec![Route::of(entry)],
                None => {
                    let message = format!("no table {table:?} is routed");
                    let failure = Failure::new(Kind::NotFound, message);
                    return Err(failure.hint("`routes` prints them all"));
                }
            },
        };
        app.emit(&Routed { routes })
    }
}

impl Document for Routed {
    const SCHEMA: &'static str = "routes/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let mut table = Table::new([left("SCOPE"), left("MODULE"), left("TABLE"), left("MODEL")]);
        for route in &self.routes {
            table.row([
                route.scope.clone(),
                route.module.to_owned(),
                route.table.to_owned(),
                show::or_dash(route.model),
            ]);
        }
        write!(f, "{table}")
    }
}
