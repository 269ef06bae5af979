//! What the binary `tenants` knows besides, on the data model of a hospital: which hospital a tenant is.
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use diesel_tenants::services::hospitals::{self, BindError};
use diesel_tenants::services::onboarding::{self, OnboardingError};
use diesel_tenants::{Tenancy, TenantId};
use serde::Serialize;

use crate::app::{App, quoted};
use crate::exit::{self, Exit};
use crate::failure::{Failure, Kind};
use crate::options::Options;
use crate::output::{Document, Output};
use crate::value::Id;
use crate::verbs::doctor::Findings;
use crate::{ABOUT, Commands, Setup, parsed, program};

/// As [`run`](crate::run), for an application on the hospital data model of `diesel-tenants` (feature `hospital`): `doctor`
/// also finds the hospitals that are no tenant, and `bind-hospital` says which one they are.
pub fn run_hospitals<S: Into<Setup>>(configure: impl Fn(&Path) -> S) -> ExitCode {
    let cli = match parsed::<Cli>() {
        Ok(cli) => cli,
        Err(ended) => return ended,
    };
    let program = program();
    let app = App {
        options: &cli.options,
        output: Output::new(&cli.options),
        program: &program,
        parser: Cli::command,
        configure: &|data: &Path| {
            let mut setup: Setup = configure(data).into();
            setup.examine = Some(examine);
            setup.unset_quota = Some(unset_quota);
            setup
        },
    };
    app.ended(match &cli.command {
        Command::All(command) => command.run(&app),
        Command::BindHospital(verb) => verb.run(&app),
    })
}

#[derive(Parser)]
#[command(version, about = ABOUT, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    All(Commands),
    BindHospital(BindHospital),
}

/// Hospitals that are no tenant.
fn examine(tenancy: &Tenancy, findings: &mut Findings<'_>) -> Result<(), Failure> {
    for astray in hospitals::astray(tenancy)? {
        let code = astray.code;
        let lost = match astray.lost {
            Some(uuid) => format!("its tenant ({uuid}) is gone"),
            None => "no tenant was ever named for it".to_owned(),
        };
        let (message, next) = match astray.candidate {
            Some(id) => (
                format!("hospital {code} is no tenant: {lost}; there is a tenant {id}, which may be its own or another customer's"),
                findings.command(&format!("bind-hospital {}", quoted(&code))),
            ),
            None => (
                format!("hospital {code} is no tenant: {lost}, and there is none of its code"),
                "bring its database back (`clone`, `adopt` or `import`), then bind it by `bind-hospital`".to_owned(),
            ),
        };
        findings.add(astray.candidate, "hospital", message, next);
    }
    Ok(())
}

/// The limit of a hospital is that of the plan it is subscribed to; a tenant that is no hospital has none.
fn unset_quota(tenancy: &Tenancy, id: &TenantId) -> Result<(), Failure> {
    match onboarding::clear_quota(tenancy, id) {
        Ok(_) => Ok(()),
        Err(OnboardingError::UnknownHospital { .. }) => Ok(tenancy.set_quota(id, None)?),
        Err(OnboardingError::Quota(error)) => Err(error.into()),
        Err(error) => Err(Failure::of(Kind::Failed, &error)),
    }
}

/// Say which tenant a hospital is, whose tenant is gone or was never named
///
/// Its members, their sessions and its subscription are that tenant's from then on. Nothing but a look into its database tells
/// whether the tenant is the hospital's own, come back as a clone, adopted or created anew, or another customer's who got the id.
/// Refused where the hospital's tenant is still there, in whatever state.
#[derive(Args, Debug)]
struct BindHospital {
    /// The hospital's code, to be confirmed by `--yes-i-mean`
    code: String,
    /// The tenant's id, where it is not the hospital's code
    #[arg(long, value_name = "ID", value_parser = Id)]
    tenant: Option<TenantId>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Rebound {
    /// The hospital's code.
    code: String,
    /// The tenant's id.
    tenant: String,
    uuid: String,
    /// The uuid of the tenant it was before; null where none was named.
    before: Option<String>,
}

impl BindHospital {
    fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let id = match self.tenant {
            Some(id) => id,
            None => self.code.parse().map_err(diesel_tenants::Error::from)?,
        };
        let tenancy = app.open()?;
        let tenant = tenancy.handle(&id)?.record()?;
        let what = format!(
            "gives all members of hospital {} what is in the database of tenant {} ({}, created {})",
            self.code,
            tenant.id,
            tenant.display_name,
            crate::show::ago(tenant.created_at)
        );
        app.confirm_word(&self.code, &what)?;
        let bound = hospitals::rebind(&tenancy, &self.code, &tenant.id, &self.code)?;
        app.emit(&Rebound {
            code: self.code.clone(),
            tenant: bound.tenant.to_string(),
            uuid: bound.uuid.to_string(),
            before: bound.before.map(|uuid| uuid.to_string()),
        })
    }
}

impl Document for Rebound {
    const SCHEMA: &'static str = "bind-hospital/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(
            f,
            "hospital {} is tenant {} ({})",
            self.code, self.tenant, self.uuid
        )
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        let kind = match &error {
            BindError::UnknownHospital { .. } => Kind::NotFound,
            BindError::NotConfirmed { .. }
            | BindError::HasTenant { .. }
            | BindError::TenantTaken { .. }
            | BindError::NotUsable { .. } => Kind::Refused,
            _ => Kind::Failed,
        };
        match error {
            BindError::Open(error) => diesel_tenants::Error::from(error).into(),
            error => Self::of(kind, &error),
        }
    }
}
