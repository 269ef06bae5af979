//! `inspect`, `adopt`
use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use diesel_tenants::adopt::{AdoptError, AdoptOptions, Inspection, Mapping};
use diesel_tenants::{DisplayName, NewTenant, Subdomain, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;
use crate::tenant::Tenant;
use crate::value::{Id, text};

/// Say what would become of another program's SQLite file if it were adopted
///
/// Everything is tried out in a database that is gone afterwards; neither the file nor anything beside it is changed. Exit
/// code 3 where something speaks against adopting it.
#[derive(Args, Debug)]
pub struct Inspect {
    #[command(flatten)]
    source: Source,
}

/// Take over another program's SQLite file as a new tenant
///
/// All or nothing. The original stays as it is, to the byte. Rows are converted as the mapping says, references checked and
/// rows counted before the tenant is there; where something speaks against it, every reason is named.
#[derive(Args, Debug)]
pub struct Adopt {
    /// The new tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
    #[command(flatten)]
    source: Source,
    /// The name people see
    #[arg(long, value_parser = text::<DisplayName>())]
    name: DisplayName,
    /// The subdomain it answers at
    #[arg(long, value_parser = text::<Subdomain>())]
    subdomain: Option<Subdomain>,
    /// The plan it is on
    #[arg(long, value_parser = text::<String>())]
    plan: Option<String>,
    /// Refuse to leave rows behind that the mapping does not ignore on purpose
    #[arg(long)]
    nothing_left_over: bool,
}

#[derive(Args, Debug)]
struct Source {
    /// The file
    file: PathBuf,
    /// Which table and column becomes which: a TOML file
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
}

impl Source {
    fn mapping(&self) -> Result<Mapping, Failure> {
        // Whoever opens a pipe waits for somebody to write to it.
        let read = std::fs::metadata(&self.mapping).and_then(|found| match found.is_file() {
            true => std::fs::read_to_string(&self.mapping),
            false => Err(std::io::Error::other("it is no regular file")),
        });
        let text = read.map_err(|error| {
            let message = format!("the mapping {:?} cannot be read", self.mapping);
            Failure {
                causes: vec![error.to_string()],
                ..Failure::new(Kind::Usage, message)
            }
        })?;
        Ok(text.parse::<Mapping>()?)
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Inspected {
    file: String,
    #[serde(flatten)]
    found: Found,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Adopted {
    tenant: Tenant,
    path: String,
    found: Found,
    next: Vec<String>,
}

/// What became of every table, or would.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Found {
    adoptable: bool,
    /// Every reason against it.
    reasons: Vec<String>,
    tables: Vec<Table>,
    /// Tables that the mapping names and the file does not have.
    absent: Vec<String>,
    /// Tables that nothing is made of, and that are not left behind on purpose.
    left_over: Vec<Behind>,
    /// Tables left behind on purpose.
    ignored: Vec<Behind>,
    #[serde(skip)]
    text: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Table {
    from: String,
    to: String,
    rows: u64,
    skipped: u64,
    taken: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Behind {
    table: String,
    rows: u64,
}

impl Found {
    fn of(inspection: &Inspection) -> Self {
        let behind = |tables: &[diesel_tenants::adopt::LeftBehind]| -> Vec<Behind> {
            let behind = tables.iter().map(|left| Behind {
                table: left.table.clone(),
                rows: left.rows,
            });
            behind.collect()
        };
        let tables = inspection.tables.iter().map(|fit| Table {
            from: fit.from.clone(),
            to: fit.to.clone(),
            rows: fit.rows,
            skipped: fit.skipped,
            taken: fit.taken,
        });
        Self {
            adoptable: inspection.adoptable,
            reasons: inspection.reasons.iter().map(ToString::to_string).collect(),
            tables: tables.collect(),
            absent: inspection.absent.clone(),
            left_over: behind(&inspection.left_over),
            ignored: behind(&inspection.ignored),
            text: inspection.to_string(),
        }
    }
}

/// Every reason of a refusal, one a line of its causes.
fn explain(app: &App<'_>, file: &Path, error: AdoptError) -> Failure {
    let AdoptError::NotAdoptable { inspection } = &error else {
        return error.into();
    };
    let causes = inspection.reasons.iter().map(ToString::to_string).collect();
    let command = app.command(&format!(
        "inspect {}",
        crate::app::quoted(&file.to_string_lossy())
    ));
    let failure = Failure::from(error).hint(format!(
        "change the mapping; `{command} --mapping …` says all there is to know"
    ));
    Failure { causes, ..failure }
}

impl Inspect {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let mapping = self.source.mapping()?;
        let inspection = app.open()?.inspect(&self.source.file, &mapping)?;
        app.emit(&Inspected {
            file: show::path(&self.source.file),
            found: Found::of(&inspection),
        })
    }
}

impl Adopt {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let mapping = self.source.mapping()?;
        let tenancy = app.open()?;
        let mut new = NewTenant::named(self.name.as_str());
        if let Some(subdomain) = &self.subdomain {
            new = new.subdomain(subdomain.as_str());
        }
        if let Some(plan) = &self.plan {
            new = new.plan(plan);
        }
        let options = match self.nothing_left_over {
            true => AdoptOptions::nothing_left_over(),
            false => AdoptOptions::default(),
        };
        let file = &self.source.file;
        let adopted = tenancy.adopt(&self.id, new, file, &mapping, &options);
        let adopted = adopted.map_err(|error| explain(app, file, error))?;
        let record = adopted.tenant.record()?;
        let next = ["verify", "backup"].map(|verb| app.command(&format!("{verb} {}", record.id)));
        app.emit(&Adopted {
            tenant: Tenant::of(&record),
            path: show::path(&tenancy.database_file(&record.id)?.path),
            found: Found::of(&adopted.inspection),
            next: next.into(),
        })
    }
}

impl Document for Inspected {
    const SCHEMA: &'static str = "inspect/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "{}", self.found.text.trim_end())
    }

    fn exit(&self) -> Exit {
        match self.found.adoptable {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}

impl Document for Adopted {
    const SCHEMA: &'static str = "adopt/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(
            f,
            "adopted {} ({}), in {}",
            self.tenant.id, self.tenant.name, self.path
        )?;
        writeln!(f, "{}", self.found.text.trim_end())?;
        show::next(f, &self.next)
    }
}
