//! Values on the command line, checked as it is read.
//!
//! Clap's own parsers put the value into their message as it was given, escape sequences, megabytes and all. Here the
//! message is the error's own, which escapes and cuts what it quotes.
use std::ffi::OsStr;
use std::fmt::Display;
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
