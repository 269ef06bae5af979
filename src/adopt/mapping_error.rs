//! What is wrong with a mapping file.
use crate::excerpt::Excerpt;

/// What is wrong with a mapping file. Nothing was done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// Not TOML.
    #[error("the mapping is no TOML")]
    Syntax {
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Another format, or none.
    #[error(
        "the mapping has {}, this build reads {known}; begin it with `format = {known}`",
        match found { Some(found) => format!("format {found}"), None => "no format".to_owned() }
    )]
    Format {
        /// The format found.
        found: Option<i64>,
        /// The one known.
        known: i64,
    },
    /// A key that is not known.
    #[error("the mapping has {key} at {at}, which is no key there; did you mean `{nearest}`?")]
    UnknownKey {
        /// Where.
        at: String,
        /// The key.
        key: Excerpt,
        /// The most like it of those that are known.
        nearest: &'static str,
    },
    /// A key that is needed.
    #[error("{at} of the mapping needs `{key}`")]
    MissingKey {
        /// Where.
        at: String,
        /// The key.
        key: &'static str,
    },
    /// A value that cannot be.
    #[error("`{key}` at {at} of the mapping is not right there; need {wanted}")]
    Wrong {
        /// Where.
        at: String,
        /// The key.
        key: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// The same two tables more than once.
    #[error("the mapping takes `{from}` to `{to}` twice; put it into one [[table]]")]
    Twice {
        /// Their table.
        from: String,
        /// Ours.
        to: String,
    },
}
