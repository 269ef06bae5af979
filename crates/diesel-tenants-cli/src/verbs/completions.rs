//! `completions`
use std::fmt;

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;

/// Print the completions for a shell
///
/// bash: `tenants completions bash > ~/.local/share/bash-completion/completions/tenants`; zsh: into a file `_tenants` in a
/// directory of `$fpath`; fish: `~/.config/fish/completions/tenants.fish`.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    shell: For,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum For {
    Bash,
    Zsh,
    Fish,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Completion {
    script: String,
}

impl Completions {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let shell = match self.shell {
            For::Bash => Shell::Bash,
            For::Zsh => Shell::Zsh,
            For::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        let program = app.program.split(' ').next().unwrap_or(app.program);
        clap_complete::generate(shell, &mut (app.parser)(), program, &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        app.emit(&Completion { script })
    }
}

impl Document for Completion {
    const SCHEMA: &'static str = "completions/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        f.write_str(&self.script)
    }
}
