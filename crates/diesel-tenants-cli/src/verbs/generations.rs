//! `generations`
use std::fmt;

use clap::Args;
use diesel_tenants::Discarded;
use serde::Serialize;

use crate::app::App;
use crate::clock::Jump;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::{Table, left, right};
use crate::value::{OnlyOne, Span, text};

/// List a tenant's old databases, which are kept for `undo [--generation N]`, or give old ones up
#[derive(Args, Debug)]
pub struct Generations {
    #[command(flatten)]
    tenant: OnlyOne,
    /// Remove those that were replaced longer ago than this, such as `30d`; wants the id confirmed
    #[arg(long, value_name = "AGE", value_parser = text::<Span>())]
    discard_older_than: Option<Span>,
    /// Believe a clock that is more than a week ahead of what the shared database last saw
    #[arg(long, requires = "discard_older_than")]
    i_checked_the_clock: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Kept {
    id: String,
    current: u64,
    kept: Vec<Generation>,
    discarded: Vec<u64>,
    /// Those that are kept only because the clock is not believed.
    held_by_clock: Vec<u64>,
    /// Why it is not.
    clock_jump: Option<Jump>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Generation {
    generation: u64,
    /// What replaced it.
    replaced_by: String,
    /// RFC 3339, UTC.
    replaced_at: String,
    /// Bytes on disk; null where its file is gone.
    bytes: Option<u64>,
    #[serde(skip)]
    at: Option<std::time::SystemTime>,
}

impl Generations {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let id = self.tenant.id("generations")?;
        let tenancy = app.open()?;
        let record = tenancy.handle(&id)?.record()?;
        let mut discarded = Discarded::default();
        if let Some(Span(age)) = self.discard_older_than {
            app.confirm(&record, "removes for ever old databases of")?;
            if self.i_checked_the_clock {
                tenancy.i_checked_the_clock()?;
            }
            discarded = tenancy.discard_old_generations(&id, age)?;
        }
        let kept = tenancy.old_generations(&id)?;
        let kept = kept.iter().map(|old| -> Result<_, Failure> {
            Ok(Generation {
                generation: old.generation,
                replaced_by: old.replaced_by.to_string(),
                replaced_at: show::iso(old.replaced_at),
                bytes: tenancy.generation_file(&id, old.generation)?.bytes,
                at: Some(old.replaced_at),
            })
        });
        let kept: Vec<Generation> = kept.collect::<Result<_, _>>()?;
        app.emit(&Kept {
            id: record.id.to_string(),
            current: tenancy.handle(&id)?.record()?.generation,
            kept,
            discarded: discarded.generations,
            held_by_clock: discarded.held_by_clock,
            clock_jump: discarded.clock_jump.map(Jump::from),
        })
    }
}

impl Document for Kept {
    const SCHEMA: &'static str = "generations/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        if !self.discarded.is_empty() {
            let numbers: Vec<String> = self.discarded.iter().map(u64::to_string).collect();
            writeln!(f, "removed generation {}", numbers.join(", "))?;
        }
        writeln!(f, "{} is on generation {}", self.id, self.current)?;
        if self.kept.is_empty() {
            return writeln!(f, "no old one is kept");
        }
        let mut table = Table::new([
            right("KEPT"),
            right("SIZE"),
            left("REPLACED BY"),
            left("WHEN"),
        ]);
        for old in &self.kept {
            table.row([
                old.generation.to_string(),
                old.bytes.map_or("gone".to_owned(), show::bytes),
                old.replaced_by.clone(),
                old.at.map(show::ago).unwrap_or_default(),
            ]);
        }
        write!(f, "{table}")?;
        let held: Vec<String> = self
            .held_by_clock
            .iter()
            .map(|number| format!("generation {number}"))
            .collect();
        Jump::write(self.clock_jump.as_ref(), &held, f)
    }

    fn exit(&self) -> Exit {
        match self.held_by_clock.is_empty() {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}
