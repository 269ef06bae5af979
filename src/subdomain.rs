//! The one DNS label under which a tenant is reached.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::excerpt::{Character, Excerpt};
use crate::tenant_id::TenantId;

const RULE: &str = "a subdomain is one label of ASCII letters, digits and single hyphens, \
                    no hyphen at its ends, 1 to 63 characters in all";

/// Names at which a tenant would be taken for the operator, or for a server of the operator's domain.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "admin", "api", "app", "assets", "auth", "cdn", "login", "sso", "static", "status", "support", "www",
    // Browsers and mail programs configure themselves from these without being asked.
    "autoconfig", "autodiscover", "isatap", "mta-sts", "wpad",
    "dns", "ftp", "imap", "localhost", "mail", "mx", "ns", "ns1", "ns2", "ns3", "ns4", "pop", "pop3", "smtp",
    "webmail",
];

/// The DNS label of a tenant: `city-general` in `city-general.example.com`.
///
/// ASCII letters, digits and hyphens, 1 to 63 characters (the limit of RFC 1035, section 2.3.4), kept in lower case.
/// No hyphen at the ends, none beside another: so there is neither punycode (`xn--`), which can look like another
/// tenant's label, nor one of the forms with `--` at characters 3 and 4 that are set aside beside it.
///
/// Refused as reserved: `admin`, `api`, `app`, `assets`, `auth`, `autoconfig`, `autodiscover`, `cdn`, `dns`, `ftp`,
/// `imap`, `isatap`, `localhost`, `login`, `mail`, `mta-sts`, `mx`, `ns`, `ns1`–`ns4`, `pop`, `pop3`, `smtp`, `sso`,
/// `static`, `status`, `support`, `webmail`, `wpad`, `www`.
///
/// # Example
/// ```
/// use diesel_tenants::Subdomain;
///
/// let subdomain: Subdomain = "City-General".parse()?;
/// assert_eq!(subdomain.as_str(), "city-general");
/// assert!(Subdomain::try_from("city_general").is_err());
/// # Ok::<(), diesel_tenants::SubdomainError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Subdomain(Box<str>);

impl Subdomain {
    /// The most characters of a label.
    pub const MAX_LEN: usize = 63;

    /// The label in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, SubdomainError> {
        let given = || Excerpt::of(text);
        if text.is_empty() {
            return Err(SubdomainError::EmptyLabel {
                given: given(),
                at: 1,
            });
        }
        if text
            .get(..4)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--"))
        {
            return Err(SubdomainError::Punycode { given: given() });
        }
        // What was read before a character is ASCII, so its index counts bytes as well as characters.
        for (index, found) in text.chars().take(Self::MAX_LEN).enumerate() {
            let at = index + 1;
            let next = text.as_bytes().get(at);
            match found {
                'a'..='z' | 'A'..='Z' | '0'..='9' => {}
                '-' if index == 0 || next.is_none() => {
                    return Err(SubdomainError::HyphenAtEnd { given: given(), at });
                }
                '-' if next == Some(&b'-') => {
                    return Err(SubdomainError::DoubleHyphen { given: given(), at });
                }
                '-' => {}
                '.' if index == 0 => return Err(SubdomainError::EmptyLabel { given: given(), at }),
                '.' if matches!(next, None | Some(b'.')) => {
                    return Err(SubdomainError::EmptyLabel {
                        given: given(),
                        at: at + 1,
                    });
                }
                '.' => return Err(SubdomainError::MoreThanOneLabel { given: given(), at }),
                _ => {
                    return Err(SubdomainError::Forbidden {
                        given: given(),
                        found,
                        at,
                    });
                }
            }
        }
        if text.len() > Self::MAX_LEN {
            return Err(SubdomainError::TooLong {
                given: given(),
                len: text.len(),
            });
        }
        let label = text.to_ascii_lowercase();
        if let Some(&word) = RESERVED.iter().find(|&&word| word == label) {
            return Err(SubdomainError::Reserved {
                given: given(),
                word,
            });
        }
        Ok(Self(label.into_boxed_str()))
    }
}

impl TenantId {
    /// The subdomain that follows from this id: the folded form with `-` for `_`.
    ///
    /// Two ids that differ never suggest the same one. `None` where the result is no [`Subdomain`]: with a separator
    /// at the end (`abc-`), two in a row (`a--b`), or a word reserved there but not here (`mail`).
    ///
    /// # Example
    /// ```
    /// use diesel_tenants::TenantId;
    ///
    /// let id: TenantId = "TEST_HOSPITAL".parse()?;
    /// assert_eq!(id.suggested_subdomain().unwrap().as_str(), "test-hospital");
    /// # Ok::<(), diesel_tenants::TenantIdError>(())
    /// ```
    pub fn suggested_subdomain(&self) -> Option<Subdomain> {
        self.folded().as_str().replace('_', "-").parse().ok()
    }
}

impl FromStr for Subdomain {
    type Err = SubdomainError;

    fn from_str(text: &str) -> Result<Self, SubdomainError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Subdomain {
    type Error = SubdomainError;

    fn try_from(text: &str) -> Result<Self, SubdomainError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Subdomain {
    type Error = SubdomainError;

    fn try_from(text: String) -> Result<Self, SubdomainError> {
        Self::parse(&text)
    }
}

impl AsRef<str> for Subdomain {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Subdomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Subdomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subdomain").field(&self.as_str()).finish()
    }
}

impl Serialize for Subdomain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a text is not a [`Subdomain`].
///
/// Positions count characters from 1. `given` is the text that was refused, escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubdomainError {
    /// Nothing was given, or nothing on one side of a dot.
    #[error("subdomain {given} has an empty label at character {at}; {rule}", rule = RULE)]
    EmptyLabel {
        /// What was given.
        given: Excerpt,
        /// Where the label should have begun, counted from 1.
        at: usize,
    },
    /// More than [`Subdomain::MAX_LEN`] bytes.
    #[error("subdomain {given} is too long: {len} bytes; {rule}", rule = RULE)]
    TooLong {
        /// What was given.
        given: Excerpt,
        /// Its length in bytes.
        len: usize,
    },
    /// Two labels, such as `a.b`.
    #[error("subdomain {given} has more than one label, divided at character {at}; {rule}", rule = RULE)]
    MoreThanOneLabel {
        /// What was given.
        given: Excerpt,
        /// Where the dot stands, counted from 1.
        at: usize,
    },
    /// A hyphen as the first or the last character.
    #[error("subdomain {given} has a hyphen at character {at}, which is one of its ends; {rule}", rule = RULE)]
    HyphenAtEnd {
        /// What was given.
        given: Excerpt,
        /// Where the hyphen stands, counted from 1.
        at: usize,
    },
    /// Two hyphens side by side.
    #[error("subdomain {given} has two hyphens in a row at character {at}; {rule}", rule = RULE)]
    DoubleHyphen {
        /// What was given.
        given: Excerpt,
        /// Where the first of the two stands, counted from 1.
        at: usize,
    },
    /// The ASCII form of an international label.
    #[error("subdomain {given} begins with `xn--` at character 1: punycode is not allowed; {rule}", rule = RULE)]
    Punycode {
        /// What was given.
        given: Excerpt,
    },
    /// A character that a subdomain does not have, such as `_`.
    #[error("subdomain {given} has {found} at character {at}, which is not allowed; {rule}",
        found = Character(*.found), rule = RULE)]
    Forbidden {
        /// What was given.
        given: Excerpt,
        /// The character.
        found: char,
        /// Where it stands, counted from 1.
        at: usize,
    },
    /// A name that a service keeps for itself; see [`Subdomain`] for the list.
    #[error("subdomain {given} is the reserved word `{word}`; choose another subdomain")]
    Reserved {
        /// What was given.
        given: Excerpt,
        /// The reserved word.
        word: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_kept_in_lower_case() {
        let label: Subdomain = "City-General-2".parse().expect("a valid label");
        assert_eq!(label.as_str(), "city-general-2");
        assert_eq!(Ok(label), "CITY-GENERAL-2".parse());
    }

    #[test]
    fn the_shortest_and_the_longest_label_are_accepted() {
        for label in ["a", "1", "123", &"a".repeat(63)] {
            assert_eq!(
                Subdomain::try_from(label).expect("a valid label").as_str(),
                label
            );
        }
    }

    #[test]
    fn reserved_words_could_otherwise_be_labels() {
        for &word in RESERVED {
            let refused = Subdomain::try_from(word.to_uppercase()).expect_err(word);
            assert_eq!(
                refused,
                SubdomainError::Reserved {
                    given: Excerpt::of(&word.to_uppercase()),
                    word
                }
            );
            assert_eq!(
                Subdomain::try_from(format!("{word}x"))
                    .expect("not reserved")
                    .as_str(),
                format!("{word}x")
            );
        }
    }

    #[test]
    fn a_suggestion_has_hyphens_for_both_separators() {
        for (id, suggested) in [
            ("TH001", "th001"),
            ("TEST_HOSPITAL", "test-hospital"),
            ("a-b_c", "a-b-c"),
        ] {
            let id: TenantId = id.parse().expect("a valid id");
            assert_eq!(
                id.suggested_subdomain().expect("a valid label").as_str(),
                suggested
            );
        }
    }

    #[test]
    fn no_suggestion_where_the_rule_of_a_label_would_break() {
        for id in [
            "abc-", "abc_", "a--b", "a__b", "a-_b", "ab--c", "xn--a", "mail", "MTA_STS",
        ] {
            let id: TenantId = id.parse().expect("a valid id");
            assert_eq!(id.suggested_subdomain(), None, "{id}");
        }
    }
}
