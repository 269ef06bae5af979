//! What is printed and where: the result on stdout, everything else on stderr.
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write as _};

use console::style;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::options::{Color, Options};

/// The result of a command, for people and for programs.
pub(crate) trait Document: Serialize {
    /// Name and version of its JSON: `list/1`. The version is raised when a field changes its meaning or goes away.
    const SCHEMA: &'static str;

    /// Writes it for people.
    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result;

    fn exit(&self) -> Exit {
        Exit::Done
    }
}

#[derive(Serialize)]
struct Envelope<'a, D> {
    schema: &'static str,
    #[serde(flatten)]
    document: &'a D,
}

/// The document of a command that failed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failed<'a> {
    pub(crate) error: &'a Failure,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(options: &Options) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colors = |terminal: bool| match options.color {
            Color::Auto => terminal && !plain,
            Color::Always => true,
            Color::Never => false,
        };
        console::set_colors_enabled(!options.json && colors(io::stdout().is_terminal()));
        console::set_colors_enabled_stderr(colors(io::stderr().is_terminal()));
        Self {
            json: options.json,
            quiet: options.quiet,
        }
    }

    /// For what failed before the options were known.
    pub(crate) fn before_options(json: bool) -> Self {
        Self { json, quiet: false }
    }

    /// Whether somebody watches stderr and wants to.
    pub(crate) fn shows_progress(self) -> bool {
        !self.json && !self.quiet && io::stderr().is_terminal()
    }

    /// Prints the result.
    pub(crate) fn emit<D: Document>(self, document: &D) -> Result<Exit, Failure> {
        self.print(document).map_err(|error| {
            let failure = Failure::of(Kind::Failed, &error);
            failure.hint("the command itself is done; only its result could not be printed")
        })?;
        Ok(document.exit())
    }

    fn print<D: Document>(self, document: &D) -> io::Result<()> {
        let mut text = String::new();
        if self.json {
            let schema = D::SCHEMA;
            text = serde_json::to_string_pretty(&Envelope { schema, document })?;
            text.push('\n');
        } else {
            let written = document.write(&mut text);
            written.expect("a string takes every text");
        }
        to_stdout(&text)
    }

    /// Says on stderr what takes a while, where somebody watches.
    pub(crate) fn note_progress(self, text: impl fmt::Display) {
        if self.shows_progress() {
            // A message that cannot be shown is no reason to stop.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Says why the command failed.
    pub(crate) fn fail(self, failure: &Failure) -> Exit {
        if self.json {
            let schema = "error/1";
            let document = &Failed { error: failure };
            let text = serde_json::to_string_pretty(&Envelope { schema, document });
            let text = text.expect("strings are JSON");
            // Whoever closed the pipe does not want to know.
            let _ = to_stdout(&format!("{text}\n"));
        } else {
            let mut text = format!(
                "{} {}\n",
                style("error:").for_stderr().red().bold(),
                failure.message
            );
            for cause in &failure.causes {
                let _ = writeln!(text, "  caused by: {cause}");
            }
            if let Some(hint) = &failure.hint {
                let _ = writeln!(text, "{} {hint}", style("hint:").for_stderr().cyan().bold());
            }
            let _ = io::stderr().write_all(text.as_bytes());
        }
        failure.exit()
    }
}

/// A reader that went away, as `head` does, is no error.
fn to_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
