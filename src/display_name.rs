//! What a tenant is called on screen and on paper.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::excerpt::{Character, Excerpt};

const RULE: &str = "a display name is 1 to 200 characters, with no control or text direction characters, \
                    not blank, and with no whitespace at its ends";

/// The name of a tenant as people write it: `O'Brien & "Söhne" 医院`.
///
/// 1 to 200 Unicode characters (scalar values), kept byte for byte: no normalisation, no change of case. 200 is room
/// for the registered name of an institution with its branch, and still one line of a list and at most 800 bytes.
///
/// Refused is what would make the name look like something else, or like nothing: control characters, the bidirectional
/// embeddings, overrides and isolates (U+202A–U+202E, U+2066–U+2069), whitespace at the ends, and a name of
/// nothing but whitespace and invisible characters. Markup and SQL are text like any other: escaping is up to whoever
/// prints the name, as [`csv_safe`](Self::csv_safe) does for spreadsheets.
///
/// # Example
/// ```
/// use diesel_tenants::DisplayName;
///
/// let name: DisplayName = "City General 🏥".parse()?;
/// assert_eq!(name.as_str(), "City General 🏥");
/// assert!(DisplayName::try_from("City\0General").is_err());
/// # Ok::<(), diesel_tenants::DisplayNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct DisplayName(Box<str>);

impl DisplayName {
    /// The most characters of a name.
    pub const MAX_LEN: usize = 200;

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name for a cell of a CSV file; see [`CsvSafe`].
    ///
    /// # Example
    /// ```
    /// use diesel_tenants::DisplayName;
    ///
    /// let name: DisplayName = "=HYPERLINK(A1)".parse()?;
    /// assert_eq!(name.csv_safe().to_string(), "'=HYPERLINK(A1)");
    /// # Ok::<(), diesel_tenants::DisplayNameError>(())
    /// ```
    pub fn csv_safe(&self) -> CsvSafe<'_> {
        CsvSafe(&self.0)
    }

    fn check(text: &str) -> Result<(), DisplayNameError> {
        let given = || Excerpt::of(text);
        if text.is_empty() {
            return Err(DisplayNameError::Empty);
        }
        if text
            .chars()
            .all(|c| is_invisible(c) || (c.is_whitespace() && !c.is_control()))
        {
            return Err(DisplayNameError::Blank { given: given() });
        }
        // No further than the longest name reaches: a text of many megabytes is too long whatever follows.
        for (index, found) in text.chars().take(Self::MAX_LEN).enumerate() {
            let at = index + 1;
            if found.is_control() {
                return Err(DisplayNameError::ControlCharacter {
                    given: given(),
                    found,
                    at,
                });
            }
            if is_bidi_control(found) {
                return Err(DisplayNameError::TextDirection {
                    given: given(),
                    found,
                    at,
                });
            }
            if index == 0 && found.is_whitespace() {
                return Err(DisplayNameError::WhitespaceAtEnd {
                    given: given(),
                    found,
                    at,
                });
            }
        }
        let len = text.chars().count();
        if len > Self::MAX_LEN {
            return Err(DisplayNameError::TooLong {
                given: given(),
                len,
            });
        }
        match text.chars().next_back() {
            Some(found) if found.is_whitespace() => Err(DisplayNameError::WhitespaceAtEnd {
                given: given(),
                found,
                at: len,
            }),
            _ => Ok(()),
        }
    }
}

/// Ends a line, starts or ends a run of text in the other direction, or is shown as something else than text.
pub(crate) fn misleads(c: char) -> bool {
    c.is_control() || is_bidi_control(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Starts or ends a run of text in the other direction, also past the end of the name.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Shown as nothing: what Unicode lists as `Default_Ignorable_Code_Point`, and the braille cell without dots.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

impl FromStr for DisplayName {
    type Err = DisplayNameError;

    fn from_str(text: &str) -> Result<Self, DisplayNameError> {
        Self::try_from(text)
    }
}

impl TryFrom<&str> for DisplayName {
    type Error = DisplayNameError;

    fn try_from(text: &str) -> Result<Self, DisplayNameError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for DisplayName {
    type Error = DisplayNameError;

    fn try_from(text: String) -> Result<Self, DisplayNameError> {
        Self::check(&text)?;
        Ok(Self(text.into_boxed_str()))
    }
}

impl AsRef<str> for DisplayName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DisplayName").field(&self.as_str()).finish()
    }
}

impl Serialize for DisplayName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Displays a text so that a spreadsheet takes it for text: with `'` before it where it begins with `=`, `+`, `-`, `@`,
/// a tab or a carriage return, which would make it a formula.
///
/// Quotes and separators are the business of the CSV writer, whose quoting alone does not stop a formula.
#[derive(Clone, Copy, Debug)]
pub struct CsvSafe<'a>(&'a str);

impl<'a> CsvSafe<'a> {
    /// Wraps any text that is to become a cell.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }
}

impl fmt::Display for CsvSafe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            f.write_str("'")?;
        }
        f.write_str(self.0)
    }
}

/// Why a text is not a [`DisplayName`].
///
/// Positions count characters from 1. `given` is the text that was refused, escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisplayNameError {
    /// Nothing was given.
    #[error("display name is empty; {rule}", rule = RULE)]
    Empty,
    /// Nothing to see: whitespace and invisible characters only.
    #[error("display name {given} is blank from character 1 on; {rule}", rule = RULE)]
    Blank {
        /// What was given.
        given: Excerpt,
    },
    /// More than [`DisplayName::MAX_LEN`] characters.
    #[error("display name {given} is too long: {len} characters; {rule}", rule = RULE)]
    TooLong {
        /// What was given.
        given: Excerpt,
        /// Its length in characters.
        len: usize,
    },
    /// A control character, such as NUL, a tab or a line end.
    #[error("display name {given} has control character {found} at character {at}, which is not allowed; {rule}",
        found = Character(*.found), rule = RULE)]
    ControlCharacter {
        /// What was given.
        given: Excerpt,
        /// The control character.
        found: char,
        /// Where it stands, counted from 1.
        at: usize,
    },
    /// A bidirectional embedding, override or isolate, or the end of one.
    #[error("display name {given} has text direction {found} at character {at}, which is not allowed; {rule}",
        found = Character(*.found), rule = RULE)]
    TextDirection {
        /// What was given.
        given: Excerpt,
        /// The character.
        found: char,
        /// Where it stands, counted from 1.
        at: usize,
    },
    /// Whitespace as the first or the last character.
    #[error("display name {given} has whitespace {found} at character {at}, which is one of its ends; {rule}",
        found = Character(*.found), rule = RULE)]
    WhitespaceAtEnd {
        /// What was given.
        given: Excerpt,
        /// The whitespace.
        found: char,
        /// Where it stands, counted from 1.
        at: usize,
    },
}
