//! The customer's code: what the outside calls a tenant.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::{self, FromStr};

use serde::{Deserialize, Serialize, Serializer};

use crate::excerpt::{Character, Excerpt};

const RULE: &str = "a tenant id is an ASCII letter, then ASCII letters, digits, `-` or `_`, 2 to 32 characters in all";

/// Words that something else answers to, in folded form.
#[rustfmt::skip]
const RESERVED_WORDS: &[&str] = &[
    // Devices of Windows, where no file can have such a name.
    "con", "prn", "aux", "nul",
    "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
    "lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
    // Schemas and databases that SQLite and PostgreSQL come with.
    "main", "temp", "public", "postgres", "template0", "template1",
    // What is no tenant's.
    "shared", "default",
    // Subdomains that a service keeps for itself.
    "admin", "api", "www",
];

/// Reserved for the catalogues of the two databases, in folded form.
const RESERVED_PREFIXES: &[&str] = &["pg_", "sqlite_"];

/// The customer's code, such as `TH001`: checked once, fixed for the life of the tenant.
///
/// An ASCII letter, then ASCII letters, digits, `-` or `_`; 2 to 32 characters in all. Two ids are equal when their
/// [folded](Self::folded) forms are, and hash and order likewise: `TEST-Hospital` is `test_hospital`. Displays exactly
/// as it was created.
///
/// Refused as reserved, after folding: `con`, `prn`, `aux`, `nul`, `com0`–`com9`, `lpt0`–`lpt9`; `main`, `temp`,
/// `public`, `postgres`, `template0`, `template1`; `shared`, `default`; `admin`, `api`, `www`; and what begins with
/// `pg_` or `sqlite_`.
///
/// Stored inline, so that it is [`Copy`] and takes no allocation.
///
/// # Example
/// ```
/// use diesel_tenants::TenantId;
///
/// let id: TenantId = "TEST-Hospital".parse()?;
/// assert_eq!(id.to_string(), "TEST-Hospital");
/// assert_eq!(id.folded().as_str(), "test_hospital");
/// assert_eq!(id, "test_hospital".parse()?);
///
/// let refused = TenantId::try_from("../TH001").unwrap_err();
/// assert!(refused.to_string().starts_with(r#"tenant id "../TH001" has '.' at character 1"#));
/// # Ok::<(), diesel_tenants::TenantIdError>(())
/// ```
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct TenantId(InlineText);

impl TenantId {
    /// The fewest characters of an id.
    pub const MIN_LEN: usize = 2;

    /// The most characters of an id.
    pub const MAX_LEN: usize = 32;

    /// The id as it was created.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The form that two spellings of one id have in common: lower case, with `-` written as `_`.
    pub fn folded(&self) -> FoldedTenantId {
        let mut text = self.0;
        for byte in &mut text.bytes {
            *byte = fold(*byte);
        }
        FoldedTenantId(text)
    }

    /// An id for a customer of this name: its initials and the first number, from 001, that is not `taken`.
    ///
    /// `Downtown Medical Center` becomes `DMC001`; a single word gives its first three letters, `Charité` becomes
    /// `CHA001`. Words written small, such as *of*, are skipped where there are others. What is not ASCII is left out; a
    /// name of which nothing is left becomes `T001`. `taken` is asked for one id after the other until it says no.
    ///
    /// # Example
    /// ```
    /// use diesel_tenants::TenantId;
    ///
    /// let taken: TenantId = "dmc001".parse()?;
    /// let id = TenantId::suggest("Downtown Medical Center", |id| *id == taken);
    /// assert_eq!(id.as_str(), "DMC002");
    /// # Ok::<(), diesel_tenants::TenantIdError>(())
    /// ```
    pub fn suggest(name: &str, mut taken: impl FnMut(&Self) -> bool) -> Self {
        let initials = initials(name);
        let mut numbered = (1_u64..).filter_map(|n| Self::parse(&format!("{initials}{n:03}")).ok());
        let free = numbered.find(|id| !taken(id));
        free.expect("there are more numbers than tenants")
    }

    fn parse(text: &str) -> Result<Self, TenantIdError> {
        if text.is_empty() {
            return Err(TenantIdError::Empty);
        }
        // No further than the longest id reaches: a text of many megabytes is too long whatever follows.
        for (index, found) in text.chars().take(Self::MAX_LEN).enumerate() {
            let allowed = match found {
                'a'..='z' | 'A'..='Z' => true,
                '0'..='9' | '-' | '_' => index > 0,
                _ => false,
            };
            if !allowed {
                return Err(TenantIdError::of_character(text, found, index + 1));
            }
        }
        let given = || Excerpt::of(text);
        if text.len() > Self::MAX_LEN {
            return Err(TenantIdError::TooLong {
                given: given(),
                len: text.chars().count(),
            });
        }
        if text.len() < Self::MIN_LEN {
            return Err(TenantIdError::TooShort {
                given: given(),
                len: text.len(),
            });
        }

        let id = Self(InlineText::of_ascii(text));
        let folded = id.folded();
        if let Some(&word) = RESERVED_WORDS.iter().find(|&&word| word == folded.as_str()) {
            return Err(TenantIdError::Reserved {
                given: given(),
                word,
            });
        }
        if let Some(&prefix) = RESERVED_PREFIXES
            .iter()
            .find(|&&prefix| folded.as_str().starts_with(prefix))
        {
            return Err(TenantIdError::ReservedPrefix {
                given: given(),
                prefix,
            });
        }
        Ok(id)
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<Self, TenantIdError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for TenantId {
    type Error = TenantIdError;

    fn try_from(text: &str) -> Result<Self, TenantIdError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TenantId {
    type Error = TenantIdError;

    fn try_from(text: String) -> Result<Self, TenantIdError> {
        Self::parse(&text)
    }
}

impl TryFrom<&[u8]> for TenantId {
    type Error = TenantIdError;

    fn try_from(bytes: &[u8]) -> Result<Self, TenantIdError> {
        let text = str::from_utf8(bytes).map_err(|error| TenantIdError::NotUtf8 {
            given: Excerpt::of_bytes(bytes),
            at: error.valid_up_to() + 1,
        })?;
        Self::parse(text)
    }
}

impl TryFrom<&OsStr> for TenantId {
    type Error = TenantIdError;

    fn try_from(text: &OsStr) -> Result<Self, TenantIdError> {
        // The encoding is not specified, but a superset of UTF-8: what is valid UTF-8 is the text itself.
        Self::try_from(text.as_encoded_bytes())
    }
}

impl PartialEq for TenantId {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for TenantId {}

impl Hash for TenantId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl PartialOrd for TenantId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TenantId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(&other.folded())
    }
}

impl AsRef<str> for TenantId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TenantId").field(&self.as_str()).finish()
    }
}

impl Serialize for TenantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A [`TenantId`] in the form that decides equality: `[a-z][a-z0-9_]*`, 2 to 32 characters.
///
/// Made by [`TenantId::folded`] only. Stored inline, so that it is [`Copy`] and takes no allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FoldedTenantId(InlineText);

impl FoldedTenantId {
    /// The folded text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl AsRef<str> for FoldedTenantId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for FoldedTenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for FoldedTenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FoldedTenantId")
            .field(&self.as_str())
            .finish()
    }
}

/// Up to 32 ASCII characters, then zeroes. Zero sorts before every character of an id, so the derived order of the
/// arrays is that of the texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct InlineText {
    bytes: [u8; TenantId::MAX_LEN],
    len: u8,
}

impl InlineText {
    /// Copies `text`, which the caller has found to be ASCII of at most 32 characters.
    fn of_ascii(text: &str) -> Self {
        let mut bytes = [0; TenantId::MAX_LEN];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self {
            bytes,
            len: text.len() as u8,
        }
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("only ASCII is ever stored")
    }
}

/// What a suggested id begins with: 1 to 8 upper case letters.
fn initials(name: &str) -> String {
    const MOST: usize = 8;
    const OF_ONE_WORD: usize = 3;
    // The apostrophe is part of a word: `St. Mary's` has two.
    let words = name.split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’')));
    let letters =
        |word: &str| -> String { word.chars().filter(char::is_ascii_alphabetic).collect() };
    let words: Vec<String> = words.map(letters).filter(|word| !word.is_empty()).collect();
    let is_name = |word: &&String| word.starts_with(|c: char| c.is_ascii_uppercase());
    let mut chosen: Vec<&String> = words.iter().filter(is_name).collect();
    if chosen.is_empty() {
        chosen = words.iter().collect();
    }
    let initials: String = match chosen[..] {
        [] => "T".to_owned(),
        [word] => word.chars().take(OF_ONE_WORD).collect(),
        _ => chosen
            .iter()
            .take(MOST)
            .filter_map(|word| word.chars().next())
            .collect(),
    };
    initials.to_ascii_uppercase()
}

fn fold(byte: u8) -> u8 {
    match byte {
        b'-' => b'_',
        other => other.to_ascii_lowercase(),
    }
}

/// Why a text is not a [`TenantId`].
///
/// Positions count characters from 1. `given` is the text that was refused, escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TenantIdError {
    /// Nothing was given.
    #[error("tenant id is empty; {rule}", rule = RULE)]
    Empty,
    /// Fewer than [`TenantId::MIN_LEN`] characters.
    #[error("tenant id {given} is too short: {len} character; {rule}", rule = RULE)]
    TooShort {
        /// What was given.
        given: Excerpt,
        /// Its length in characters.
        len: usize,
    },
    /// More than [`TenantId::MAX_LEN`] characters.
    #[error("tenant id {given} is too long: {len} characters; {rule}", rule = RULE)]
    TooLong {
        /// What was given.
        given: Excerpt,
        /// Its length in characters.
        len: usize,
    },
    /// A digit, `-` or `_` at character 1.
    #[error("tenant id {given} has {found} at character 1, where only a letter may stand; {rule}",
        found = Character(*.found), rule = RULE)]
    NotALetterFirst {
        /// What was given.
        given: Excerpt,
        /// Its first character.
        found: char,
    },
    /// A space, a tab or another blank.
    #[error("tenant id {given} has whitespace {found} at character {at}, which is not allowed; {rule}",
        found = Character(*.found), rule = RULE)]
    Whitespace {
        /// What was given.
        given: Excerpt,
        /// The whitespace.
        found: char,
        /// Where it stands, counted from 1.
        at: usize,
    },
    /// A control character other than the tab, such as NUL, a line end or ESC.
    #[error("tenant id {given} has control character {found} at character {at}, which is not allowed; {rule}",
        found = Character(*.found), rule = RULE)]
    ControlCharacter {
        /// What was given.
        given: Excerpt,
        /// The control character.
        found: char,
        /// Where it stands, counted from 1.
        at: usize,
    },
    /// A character outside ASCII, which may look like one inside.
    #[error("tenant id {given} has non-ASCII character {found} at character {at}, which is not allowed; {rule}",
        found = Character(*.found), rule = RULE)]
    NonAscii {
        /// What was given.
        given: Excerpt,
        /// The character.
        found: char,
        /// Where it stands, counted from 1.
        at: usize,
    },
    /// Any other character that an id does not have, such as `.` or `/`.
    #[error("tenant id {given} has {found} at character {at}, which is not allowed; {rule}",
        found = Character(*.found), rule = RULE)]
    Forbidden {
        /// What was given.
        given: Excerpt,
        /// The character.
        found: char,
        /// Where it stands, counted from 1.
        at: usize,
    },
    /// A word that something else answers to; see [`TenantId`] for the list.
    #[error(
        "tenant id {given} is the reserved word `{word}` in lower case with `_` for `-`; choose another id"
    )]
    Reserved {
        /// What was given.
        given: Excerpt,
        /// The reserved word.
        word: &'static str,
    },
    /// A name of the kind that SQLite or PostgreSQL keeps for itself.
    #[error(
        "tenant id {given} begins with the reserved `{prefix}` in lower case with `_` for `-`; choose another id"
    )]
    ReservedPrefix {
        /// What was given.
        given: Excerpt,
        /// The reserved beginning.
        prefix: &'static str,
    },
    /// Bytes, as from a command line, that are no text.
    #[error("tenant id {given} is not UTF-8 at byte {at}; {rule}", rule = RULE)]
    NotUtf8 {
        /// What was given.
        given: Excerpt,
        /// The first byte that is not UTF-8, counted from 1.
        at: usize,
    },
}

impl TenantIdError {
    fn of_character(text: &str, found: char, at: usize) -> Self {
        let given = Excerpt::of(text);
        // The tab is a control character too, but whoever typed one sees a blank.
        if found == '\t' || (found.is_whitespace() && !found.is_control()) {
            Self::Whitespace { given, found, at }
        } else if found.is_control() {
            Self::ControlCharacter { given, found, at }
        } else if !found.is_ascii() {
            Self::NonAscii { given, found, at }
        } else if found.is_ascii_digit() || matches!(found, '-' | '_') {
            Self::NotALetterFirst { given, found }
        } else {
            Self::Forbidden { given, found, at }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;
    use std::hash::RandomState;

    use super::*;

    fn id(text: &str) -> TenantId {
        text.parse().expect("a valid id")
    }

    #[test]
    fn folding_lowers_the_case_and_joins_the_two_separators() {
        assert_eq!(id("TH001").folded().as_str(), "th001");
        assert_eq!(id("City-General_2").folded().as_str(), "city_general_2");
        assert_eq!(id("a--b").folded().as_str(), "a__b");
    }

    #[test]
    fn folding_changes_no_other_byte_and_settles_at_once() {
        for byte in 0..=u8::MAX {
            let expected = match byte {
                b'A'..=b'Z' => byte + 32,
                b'-' => b'_',
                _ => byte,
            };
            assert_eq!(fold(byte), expected);
            assert_eq!(fold(fold(byte)), expected);
        }
    }

    #[test]
    fn equality_and_hash_are_those_of_the_folded_form() {
        let hasher = RandomState::new();
        for (left, right) in [
            ("TH001", "th001"),
            ("TEST-HOSPITAL", "test_hospital"),
            ("a-_b", "A_-B"),
        ] {
            assert_eq!(id(left), id(right));
            assert_eq!(hasher.hash_one(id(left)), hasher.hash_one(id(right)));
            assert_eq!(id(left).cmp(&id(right)), Ordering::Equal);
        }
        assert_ne!(id("TH001"), id("TH01"));
        assert_ne!(id("a-b"), id("ab"));
    }

    #[test]
    fn order_is_that_of_the_folded_text() {
        let mut ids = ["b1", "AB", "ab-c", "abc", "A_", "a0", "ab0"].map(id);
        ids.sort();
        // By bytes digits come before `_`, and `_` before letters.
        assert_eq!(
            ids.map(|id| id.to_string()),
            ["a0", "A_", "AB", "ab0", "ab-c", "abc", "b1"]
        );
    }

    #[test]
    fn a_suggestion_is_made_of_the_initials() {
        for (name, expected) in [
            ("Downtown Medical Center", "DMC001"),
            ("downtown medical center", "DMC001"),
            ("Hospital of the University", "HU001"),
            ("St. Mary's Hospital", "SMH001"),
            ("O'Brien & \"Söhne\" 医院", "OS001"),
            ("Charité", "CHA001"),
            ("É", "T001"),
            ("医院 🏥", "T001"),
            ("24/7 Care", "CAR001"),
            ("", "T001"),
            ("A B C D E F G H I J K L", "ABCDEFGH001"),
        ] {
            assert_eq!(
                TenantId::suggest(name, |_| false).as_str(),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn a_suggestion_takes_the_first_number_that_is_free() {
        let mut taken: Vec<TenantId> = vec![id("dmc001"), id("DMC003")];
        let mut next = || {
            let suggested = TenantId::suggest("Downtown Medical Center", |id| taken.contains(id));
            taken.push(suggested);
            suggested.to_string()
        };
        assert_eq!([next(), next(), next()], ["DMC002", "DMC004", "DMC005"]);
        let many = TenantId::suggest("Downtown Medical Center", |id| id.as_str().len() == 6);
        assert_eq!(many.as_str(), "DMC1000");
    }

    #[test]
    fn a_suggestion_is_never_a_reserved_word() {
        for word in RESERVED_WORDS {
            let suggested = TenantId::suggest(word, |_| false);
            assert_eq!(suggested.as_str().parse(), Ok(suggested), "{word}");
        }
    }

    #[test]
    fn an_id_is_a_few_bytes_on_the_stack() {
        assert_eq!(size_of::<TenantId>(), 33);
        assert_eq!(size_of::<FoldedTenantId>(), 33);
    }

    #[test]
    fn reserved_words_are_listed_in_folded_form_and_could_otherwise_be_ids() {
        for word in RESERVED_WORDS.iter().chain(RESERVED_PREFIXES) {
            assert!(word.bytes().all(|byte| fold(byte) == byte), "{word}");
            let longer = format!("x{word}");
            assert_eq!(id(&longer).as_str(), longer);
        }
    }

    #[test]
    fn debug_names_the_type_and_the_text() {
        assert_eq!(format!("{:?}", id("TH-1")), r#"TenantId("TH-1")"#);
        assert_eq!(
            format!("{:?}", id("TH-1").folded()),
            r#"FoldedTenantId("th_1")"#
        );
    }
}
