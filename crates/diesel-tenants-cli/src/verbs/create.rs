//! `create`
use std::collections::HashSet;
use std::fmt;
use std::io::{self, IsTerminal};

use clap::Args;
use diesel_tenants::{
    CreateError, DisplayName, NewTenant, Status, Subdomain, Tenancy, TenantHandle, TenantId,
    TenantRecord,
};
use serde::Serialize;

use crate::app::{App, ask, quoted};
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;
use crate::table::Fields;
use crate::tenant::Tenant;
use crate::value::{Id, text};

/// Create a tenant: its database and its place in the catalogue
///
/// All or nothing, also when it is killed in between. Without an id it suggests one made of the name's initials: asks on a
/// terminal, prints the command otherwise.
#[derive(Args, Debug)]
pub struct Create {
    /// Its id, such as TH001: a letter, then letters, digits, `-` or `_`, 2 to 32 characters
    #[arg(value_parser = Id)]
    id: Option<TenantId>,
    /// The name people see
    #[arg(long, value_parser = text::<DisplayName>())]
    name: DisplayName,
    /// The subdomain it answers at
    #[arg(long, value_parser = text::<Subdomain>())]
    subdomain: Option<Subdomain>,
    /// The plan it is on
    #[arg(long, value_parser = text::<String>())]
    plan: Option<String>,
    /// Only register it: the id and the subdomain are taken, and nobody can open it
    ///
    /// The same command without this option makes its database later, and so does `repair`.
    #[arg(long)]
    skip_database: bool,
    /// Check everything and say what would be made, without making it
    #[arg(long, conflicts_with = "skip_database")]
    dry_run: bool,
    /// Take the id of a tenant that was deleted, for a new and empty one
    #[arg(long)]
    reuse_retired_id: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Created {
    tenant: Tenant,
    path: String,
    bytes: Option<u64>,
    /// Commands to go on with.
    next: Vec<String>,
}

/// A tenant that is registered and has no database yet.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Reserved {
    tenant: Tenant,
    /// Commands to go on with: the one that makes its database, the one that gives the id free again.
    next: Vec<String>,
}

/// What would be created.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Checked {
    id: String,
    name: String,
    subdomain: Option<String>,
    plan: Option<String>,
    /// The newest migration its database would have.
    schema_version: Option<String>,
    next: Vec<String>,
}

impl Create {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let id = match self.id {
            Some(id) => id,
            None => self.suggest(app, &tenancy)?,
        };
        if self.dry_run {
            let checked = self
                .check(app, &tenancy, id)
                .map_err(|error| explain(app, &tenancy, error))?;
            return app.emit(&checked);
        }
        let mut new = NewTenant::named(self.name.as_str());
        if let Some(subdomain) = &self.subdomain {
            new = new.subdomain(subdomain.as_str());
        }
        if let Some(plan) = &self.plan {
            new = new.plan(plan);
        }
        if self.reuse_retired_id {
            new = new.reuse_retired_id();
        }
        if self.skip_database {
            let reserved = tenancy.reserve(&id, new);
            let reserved = reserved.map_err(|error| explain(app, &tenancy, error))?;
            return app.emit(&Reserved::of(app, &*reserved.record()?));
        }
        let tenant = tenancy
            .create(&id, new)
            .map_err(|error| explain(app, &tenancy, error))?;
        app.emit(&Created::of(app, &tenancy, &tenant)?)
    }

    /// What [`Tenancy::create`] would refuse, without creating.
    fn check(
        &self,
        app: &App<'_>,
        tenancy: &Tenancy,
        id: TenantId,
    ) -> Result<Checked, CreateError> {
        if let Ok(there) = tenancy.handle(&id)
            && there.record()?.status != Status::Reserved
        {
            let (found, status) = (there.id(), there.record()?.status);
            return Err(CreateError::AlreadyExists { id, found, status });
        }
        if tenancy.handle(&id).is_err()
            && tenancy.ids_ever_taken()?.contains(&id)
            && !self.reuse_retired_id
        {
            return Err(CreateError::Retired { id });
        }
        if let Some(subdomain) = &self.subdomain
            && let Ok(there) = tenancy.handle_at(subdomain)
            && there.id().folded() != id.folded()
        {
            let (subdomain, by) = (subdomain.clone(), there.id());
            return Err(CreateError::SubdomainTaken { subdomain, by });
        }
        let mut command = format!("create {id} --name {}", quoted(self.name.as_str()));
        for (option, value) in [
            (
                "--subdomain",
                self.subdomain.as_ref().map(Subdomain::as_str),
            ),
            ("--plan", self.plan.as_deref()),
        ] {
            if let Some(value) = value {
                command.push_str(&format!(" {option} {}", quoted(value)));
            }
        }
        if self.reuse_retired_id {
            command.push_str(" --reuse-retired-id");
        }
        Ok(Checked {
            id: id.to_string(),
            name: self.name.as_str().to_owned(),
            subdomain: self.subdomain.as_ref().map(ToString::to_string),
            plan: self.plan.clone(),
            schema_version: tenancy.tenant_migrations().latest().map(str::to_owned),
            next: vec![app.command(&command)],
        })
    }

    /// An id made of the name, if somebody there wants it.
    fn suggest(&self, app: &App<'_>, tenancy: &Tenancy) -> Result<TenantId, Failure> {
        let taken: HashSet<TenantId> = tenancy.ids_ever_taken()?.into_iter().collect();
        let id = TenantId::suggest(self.name.as_str(), |id| taken.contains(id));
        if io::stdin().is_terminal() && !app.options.json {
            let answer = ask(&format!("No id was given. Create it as {id}? [Y/n] "))?;
            return match answer.trim().to_ascii_lowercase().as_str() {
                "" | "y" | "yes" => Ok(id),
                _ => Err(Failure::new(Kind::Refused, "nothing was created")),
            };
        }
        let name = quoted(self.name.as_str());
        let command = app.command(&format!("create {id} --name {name}"));
        let failure = Failure::new(Kind::Usage, format!("no id was given; `{id}` is free"));
        Err(failure.hint(format!("`{command}`")))
    }
}

impl Reserved {
    fn of(app: &App<'_>, record: &TenantRecord) -> Self {
        let (id, name) = (record.id, quoted(record.display_name.as_str()));
        let mut create = format!("create {id} --name {name}");
        if let Some(subdomain) = &record.subdomain {
            create.push_str(&format!(" --subdomain {subdomain}"));
        }
        if let Some(plan) = &record.plan {
            create.push_str(&format!(" --plan {}", quoted(plan)));
        }
        Self {
            tenant: Tenant::of(record),
            next: vec![
                app.command(&create),
                app.command(&format!("delete {id} --yes-i-mean {id}")),
            ],
        }
    }
}

impl Created {
    pub(crate) fn of(
        app: &App<'_>,
        tenancy: &Tenancy,
        tenant: &TenantHandle,
    ) -> Result<Self, Failure> {
        let record = tenant.record()?;
        let file = tenancy.database_file(&record.id)?;
        let next = ["show", "verify", "backup"];
        Ok(Self {
            tenant: Tenant::of(&record),
            path: show::path(&file.path),
            bytes: file.bytes,
            next: next
                .map(|verb| app.command(&format!("{verb} {}", record.id)))
                .into(),
        })
    }
}

/// Where a tenant of this id is there already, what is wrong with it, if something is.
fn explain(app: &App<'_>, tenancy: &Tenancy, error: CreateError) -> Failure {
    let CreateError::AlreadyExists { found, status, .. } = &error else {
        return error.into();
    };
    let (id, status) = (*found, *status);
    let failure = Failure::from(error);
    let opened = match status {
        Status::Active => tenancy.tenant(&id).map(drop),
        Status::Reserved => {
            let next = app.command(&format!("repair {id}"));
            return failure.hint(format!("`{next}` makes its database"));
        }
        _ => return failure.hint(format!("`{}`", app.command(&format!("show {id}")))),
    };
    match opened {
        Ok(()) => failure.hint(format!("`{}`", app.command(&format!("show {id}")))),
        Err(broken) => Failure {
            causes: vec![broken.to_string()],
            ..failure.hint(format!("`{}`", app.command(&format!("repair {id}"))))
        },
    }
}

impl Document for Reserved {
    const SCHEMA: &'static str = "reserve/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let Self { tenant, .. } = self;
        writeln!(
            f,
            "reserved {} ({}); it has no database yet",
            tenant.id, tenant.name
        )?;
        let fields = Fields::new()
            .with("uuid", &tenant.uuid)
            .with_some("subdomain", tenant.subdomain.as_ref())
            .with_some("plan", tenant.plan.as_ref());
        write!(f, "{fields}")?;
        show::next(f, &self.next)
    }
}

impl Document for Created {
    const SCHEMA: &'static str = "create/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let Self { tenant, .. } = self;
        writeln!(f, "created {} ({})", tenant.id, tenant.name)?;
        let fields = Fields::new()
            .with("uuid", &tenant.uuid)
            .with("database", &self.path)
            .with(
                "size",
                self.bytes.map_or_else(|| "-".to_owned(), show::bytes),
            )
            .with("schema", show::or_dash(tenant.schema_version.as_ref()))
            .with_some("subdomain", tenant.subdomain.as_ref())
            .with_some("plan", tenant.plan.as_ref());
        write!(f, "{fields}")?;
        show::next(f, &self.next)
    }
}

impl Document for Checked {
    const SCHEMA: &'static str = "create-check/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(
            f,
            "{} ({}) can be created; nothing was done",
            self.id, self.name
        )?;
        let fields = Fields::new()
            .with("schema", show::or_dash(self.schema_version.as_ref()))
            .with_some("subdomain", self.subdomain.as_ref())
            .with_some("plan", self.plan.as_ref());
        write!(f, "{fields}")?;
        show::next(f, &self.next)
    }
}
