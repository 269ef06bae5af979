//! Values on the command line, checked as it is read.
//!
//! Clap's own parsers put the value into their message as it was given, escape sequences, megabytes and all. Here the
//! message is the error's own, which escapes and cuts what it quotes.
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt::Display;
use std::num::IntErrorKind;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};
use diesel_tenants::TenantId;

use crate::failure::{Failure, Kind};

/// A text that is read by `FromStr`.
#[derive(Clone)]
pub(crate) struct Text<T>(std::marker::PhantomData<T>);

pub(crate) fn text<T>() -> Text<T> {
    Text(std::marker::PhantomData)
}

impl<T> TypedValueParser for Text<T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let text = std::str::from_utf8(value.as_encoded_bytes()).map_err(|error| {
            let at = error.valid_up_to() + 1;
            refused(cmd, format!("{} is not UTF-8 at byte {at}", name(arg)))
        })?;
        text.parse()
            .map_err(|error| refused(cmd, format!("{}: {error}", name(arg))))
    }
}

#[derive(Clone)]
pub(crate) struct Id;

impl TypedValueParser for Id {
    type Value = TenantId;

    fn parse_ref(
        &self,
        cmd: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<TenantId, clap::Error> {
        TenantId::try_from(value).map_err(|error| refused(cmd, error.to_string()))
    }
}

/// A span of time such as `90d`, `36h` or `30s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) std::time::Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The text may be long and is not escaped in the error of the parser, so it is left out.
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| "not a span of time; write one as `90d`, `36h` or `30s`".to_owned())
    }
}

/// As it is read again.
impl Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = humantime::format_duration(self.0).to_string();
        f.write_str(&text.replace(' ', ""))
    }
}

/// A number of bytes such as `500MiB`, `2GB` or `1048576`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "not a number of bytes; write one as `500MiB`, `2GB` or `1048576`";
        const MOST: &str = "more bytes than can be counted; the most is `18446744073709551615`";
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit: u64 = match unit.trim_start() {
            "" | "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" | "K" => 1 << 10,
            "MiB" | "M" => 1 << 20,
            "GiB" | "G" => 1 << 30,
            _ => return Err(RULE),
        };
        let number = number.parse::<u64>().map_err(|error| match error.kind() {
            IntErrorKind::PosOverflow => MOST,
            _ => RULE,
        })?;
        number.checked_mul(unit).map(Self).ok_or(MOST)
    }
}

/// The tenants of a command that can work on all of them.
#[derive(Args, Debug)]
pub(crate) struct Chosen {
    /// The tenants' ids
    #[arg(value_parser = Id, value_name = "ID", required_unless_present = "all")]
    ids: Vec<TenantId>,
    /// All tenants
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

impl Chosen {
    /// Each once, in the order they were given; `None` for all.
    pub(crate) fn ids(&self) -> Option<Vec<TenantId>> {
        (!self.all).then(|| once(&self.ids))
    }
}

/// Each of these tenants once, in whatever way it is written.
pub(crate) fn once(ids: &[TenantId]) -> Vec<TenantId> {
    let mut seen = HashSet::new();
    let new = ids.iter().filter(|id| seen.insert(id.folded()));
    new.copied().collect()
}

/// The tenant of a destructive command: always one, never all.
#[derive(Args, Debug)]
pub(crate) struct OnlyOne {
    /// The tenant's id
    #[arg(value_parser = Id, required_unless_present = "all")]
    id: Option<TenantId>,
    /// There for its refusal: whoever tries it is told the rule.
    #[arg(long, hide = true)]
    all: bool,
}

impl OnlyOne {
    pub(crate) fn id(&self, verb: &str) -> Result<TenantId, Failure> {
        match (self.id, self.all) {
            (Some(id), false) => Ok(id),
            _ => {
                let message = format!("`{verb}` never takes --all: name one tenant");
                Err(Failure::new(Kind::Usage, message))
            }
        }
    }
}

fn name(arg: Option<&Arg>) -> String {
    arg.map_or_else(
        || "the value".to_owned(),
        |arg| match arg.get_long() {
            Some(long) => format!("--{long}"),
            None => arg.get_id().to_string(),
        },
    )
}

fn refused(cmd: &Command, message: String) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n")).with_cmd(cmd)
}
