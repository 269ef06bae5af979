//! What a command has at hand while it runs.
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use diesel::SqliteConnection;
use diesel_tenants::access::{ActorId, Principal};
use diesel_tenants::verify::SharedRefColumn;
use diesel_tenants::{Builder, DisplayName, RoutingTable, Sqlite, Tenancy, TenantId, TenantRecord};

use crate::Setup;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::options::Options;
use crate::output::{Document, Output};
use crate::verbs::doctor::Examine;

pub(crate) struct App<'a> {
    pub(crate) options: &'a Options,
    pub(crate) output: Output,
    /// How these commands are called: `tenants`, or `clinic tenants` in an application.
    pub(crate) program: &'a str,
    /// The parser of a program that has nothing but these commands.
    pub(crate) parser: fn() -> clap::Command,
    pub(crate) configure: &'a dyn Fn(&Path) -> Setup,
}

impl App<'_> {
    /// How a command ended, for whoever started this program. Says what was in its way.
    pub(crate) fn ended(&self, ended: Result<Exit, Failure>) -> ExitCode {
        ended
            .unwrap_or_else(|failure| self.output.fail(&failure))
            .into()
    }

    pub(crate) fn data(&self) -> Result<&Path, Failure> {
        self.options.data.as_deref().ok_or_else(|| {
            Failure::new(Kind::Usage, "which data directory?")
                .hint("give `--data DIR`, or set TENANTS_DATA")
        })
    }

    /// The application's library on the data directory, to be opened in the name of whoever runs this command, if they
    /// said who they are.
    pub(crate) fn builder(&self) -> Result<Builder<SqliteConnection, Sqlite>, Failure> {
        let builder = (self.configure)(self.data()?).builder;
        Ok(match &self.options.acting_as {
            Some(actor) => builder.acting_as(self.operator(actor.clone())),
            None => builder,
        })
    }

    pub(crate) fn open(&self) -> Result<Tenancy, Failure> {
        Ok(self.in_somebodys_name(self.builder()?.open()?))
    }

    /// The library, with whoever runs this command named in the audit log as an operator.
    pub(crate) fn in_somebodys_name(&self, tenancy: Tenancy) -> Tenancy {
        let actor = match &self.options.acting_as {
            Some(actor) => actor.clone(),
            None => tenancy.acting().actor().clone(),
        };
        tenancy.acting_as(self.operator(actor))
    }

    fn operator(&self, actor: ActorId) -> Principal {
        let role = "operator".parse().expect("a role's name");
        let principal = Principal::user(actor).with_role(role);
        match &self.options.because {
            Some(reason) => principal.with_reason(reason.clone()),
            None => principal,
        }
    }

    /// The routing table is the program's own: nothing is opened for it.
    pub(crate) fn routes(&self) -> &'static RoutingTable {
        self.setup().builder.routes()
    }

    /// Columns that `verify` follows into the shared database.
    pub(crate) fn shared_refs(&self) -> &'static [SharedRefColumn] {
        self.setup().shared_refs
    }

    /// What `doctor` looks at besides.
    pub(crate) fn examine(&self) -> Option<Examine> {
        self.setup().examine
    }

    /// Leaves a tenant's quota to its plan, wherever that is written down.
    pub(crate) fn unset_quota(&self, tenancy: &Tenancy, id: &TenantId) -> Result<(), Failure> {
        match self.setup().unset_quota {
            Some(unset) => unset(tenancy, id),
            None => Ok(tenancy.set_quota(id, None)?),
        }
    }

    /// What the application says of itself. Only `routes` can do without a data directory.
    fn setup(&self) -> Setup {
        (self.configure)(self.data().unwrap_or(Path::new("")))
    }

    pub(crate) fn emit<D: Document>(&self, document: &D) -> Result<Exit, Failure> {
        self.output.emit(document)
    }

    /// A command of this program as it can be pasted into the shell this one was typed in.
    pub(crate) fn command(&self, arguments: &str) -> String {
        let of_environment = std::env::var_os("TENANTS_DATA");
        let mut command = self.program.to_owned();
        if let Some(data) = &self.options.data
            && of_environment.as_deref() != Some(data.as_os_str())
        {
            command.push_str(" --data ");
            command.push_str(&quoted(&data.to_string_lossy()));
        }
        format!("{command} {arguments}")
    }

    /// The tenant's id as a destructive operation wants it: typed by somebody, now.
    ///
    /// `what` is what happens to the tenant, for the question: `deletes every file of`.
    pub(crate) fn confirm(&self, tenant: &TenantRecord, what: &str) -> Result<String, Failure> {
        self.confirm_id(tenant.id, Some(&tenant.display_name), what)
    }

    /// The same where it is not one tenant that is replaced, but what `word` stands for.
    pub(crate) fn confirm_word(&self, word: &str, what: &str) -> Result<(), Failure> {
        if let Some(given) = &self.options.yes_i_mean {
            if given == word {
                return Ok(());
            }
        } else if io::stdin().is_terminal()
            && !self.options.json
            && ask(&format!("This {what}.\nType `{word}` to go on: "))? == word
        {
            return Ok(());
        }
        let failure = Failure::new(
            Kind::Refused,
            format!("this {what}, and nobody has confirmed it; nothing was done"),
        );
        Err(failure.hint(format!("add `--yes-i-mean {word}` if you do mean it")))
    }

    /// The same for a tenant that is no more.
    pub(crate) fn confirm_id(
        &self,
        id: TenantId,
        name: Option<&DisplayName>,
        what: &str,
    ) -> Result<String, Failure> {
        let not_confirmed = |given: &str| {
            Failure::new(Kind::Refused, given)
                .hint(format!("add `--yes-i-mean {id}` if you do mean it"))
        };
        if let Some(given) = &self.options.yes_i_mean {
            return match given == id.as_str() {
                true => Ok(given.clone()),
                false => Err(not_confirmed(&format!(
                    "`--yes-i-mean` does not name tenant `{id}`; nothing was done"
                ))),
            };
        }
        if !io::stdin().is_terminal() || self.options.json {
            return Err(not_confirmed(&format!(
                "this {what} tenant `{id}`, and nobody has confirmed it; nothing was done"
            )));
        }
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let question = format!("This {what} tenant {id}{name}.\nType its id to go on: ");
        let typed = ask(&question)?;
        match typed == id.as_str() {
            true => Ok(typed),
            false => Err(Failure::new(
                Kind::Refused,
                format!("that is not `{id}`; nothing was done"),
            )),
        }
    }
}

/// Asks on the terminal; the answer without its line end, empty at the end of the input.
pub(crate) fn ask(question: &str) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::of(Kind::Failed, &error);
    let mut stderr = io::stderr();
    stderr
        .write_all(question.as_bytes())
        .and_then(|()| stderr.flush())
        .map_err(failed)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// As a POSIX shell reads it back.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Ids for a message: `TH001, TH002, …`.
pub(crate) fn names(ids: &[TenantId]) -> String {
    const MOST: usize = 5;
    let mut names: Vec<&str> = ids.iter().take(MOST).map(TenantId::as_str).collect();
    if ids.len() > MOST {
        names.push("…");
    }
    names.join(", ")
}
