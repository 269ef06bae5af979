//! `init`
use std::fmt;

use clap::Args;
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;

/// Make the data directory and the shared database
///
/// Only for the first time: every other command refuses a directory that is not there, so that a wrong path or a disk
/// that is not mounted is no new and empty fleet. Doing it again changes nothing.
#[derive(Args, Debug)]
pub struct Init {}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Initialised {
    data: String,
    shared: String,
    tenants: usize,
    next: Vec<String>,
}

impl Init {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.in_somebodys_name(app.builder()?.init().open()?);
        app.emit(&Initialised {
            data: show::path(tenancy.data_directory()),
            shared: show::path(&tenancy.shared_file()?.path),
            tenants: tenancy.tenants()?.len(),
            next: vec![app.command("create TH001 --name \"Teaching Hospital\"")],
        })
    }
}

impl Document for Initialised {
    const SCHEMA: &'static str = "init/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(
            f,
            "{} is ready, with {}",
            self.data,
            show::count(self.tenants, "tenant")
        )?;
        if self.tenants == 0 {
            show::next(f, &self.next)?;
        }
        Ok(())
    }
}
