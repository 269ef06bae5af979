//! Diesel's errors of values, without the values.
//!
//! What a type's own code says of a value that it cannot read or bind is often the value itself: `Invalid datetime …`. Such a
//! text would be a row's data in whatever the error is written to: a log, a report, a page. So it is taken out where the error
//! comes into being, before any other error has it as its cause.
use std::error::Error as StdError;
use std::fmt;

use diesel::result::{DeserializeFieldError, Error, UnexpectedNullError};

/// A value could not be read as what it should be, or could not be bound to a statement. It travels in the place of Diesel's
/// own error, inside `DeserializationError` or `SerializationError`.
///
/// Neither `Display` nor `Debug` says anything of the value, and there is no source to be printed. What the type's own code
/// said is there for whoever [asks for it](Self::in_full).
///
/// # Example
/// ```
/// # use diesel_tenants::error::ValueWithheld;
/// fn report(error: &diesel::result::Error) {
///     if let Some(withheld) = ValueWithheld::of(error) {
///         eprintln!("look at {:?}", withheld.column());
///     }
/// }
/// ```
pub struct ValueWithheld {
    column: Option<Box<str>>,
    is_bound: bool,
    said: Box<dyn StdError + Send + Sync>,
}

impl ValueWithheld {
    /// This error, if `error` carries it.
    pub fn of(error: &Error) -> Option<&Self> {
        match error {
            Error::DeserializationError(inner) | Error::SerializationError(inner) => {
                inner.downcast_ref()
            }
            _ => None,
        }
    }

    /// The column the value is in, where Diesel knows.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// What the type's own code said. **Its text may be the value**: log and show it nowhere.
    pub fn in_full(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.said
    }
}

impl fmt::Display for ValueWithheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.column, self.is_bound) {
            (_, true) => f.write_str("a value cannot be bound to the statement"),
            (Some(column), false) => write!(f, "a value of `{column}` is none of its type"),
            (None, false) => f.write_str("a value that was read is none of its type"),
        }
    }
}

impl fmt::Debug for ValueWithheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueWithheld")
            .field("column", &self.column)
            .field("is_bound", &self.is_bound)
            .finish_non_exhaustive()
    }
}

impl StdError for ValueWithheld {}

/// What this library says of its own rows, which has no value in it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct OwnWords(Box<dyn StdError + Send + Sync>);

/// A row of this library's own that it cannot read, in words that may be told.
pub(crate) fn in_own_words(what: impl StdError + Send + Sync + 'static) -> Error {
    Error::DeserializationError(Box::new(OwnWords(Box::new(what))))
}

/// Takes out of an error what may be a value. Any other stays as it is.
pub(crate) fn withhold(error: Error) -> Error {
    let (said, is_bound) = match error {
        Error::DeserializationError(said) => (said, false),
        Error::SerializationError(said) => (said, true),
        other => return other,
    };
    let field = said.downcast_ref::<DeserializeFieldError>();
    let cause = field.map_or(&*said, |field| &*field.error);
    let may_be_told =
        said.is::<ValueWithheld>() || cause.is::<OwnWords>() || cause.is::<UnexpectedNullError>();
    let inner: Box<dyn StdError + Send + Sync> = match may_be_told {
        true => said,
        false => {
            // What stands for a column that has no name is the text of a statement.
            let named = |name: &&String| {
                name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            };
            let column = field.and_then(|field| field.field_name.as_ref());
            let column = column.filter(named).map(|name| name.as_str().into());
            Box::new(ValueWithheld {
                column,
                is_bound,
                said,
            })
        }
    };
    match is_bound {
        true => Error::SerializationError(inner),
        false => Error::DeserializationError(inner),
    }
}
