//! From the `Host` header of a request to the subdomain of a tenant.

use std::net::Ipv6Addr;

use crate::excerpt::{Character, Excerpt};
use crate::subdomain::{Subdomain, SubdomainError};

const BASE_RULE: &str = "a base domain is a name such as `example.com`: labels of ASCII letters, digits and \
                         hyphens, 1 to 63 each";
const HOST_RULE: &str =
    "a host is one domain name or address, then `:` and a port from 1 to 65535 if there is one";

/// The most bytes of a domain name written with dots: RFC 1035, section 2.3.4, counts 255 with its two length bytes.
const MAX_DOMAIN_LEN: usize = 253;

/// The most bytes of a `Host` header: a domain name, its final dot, and `:65535`.
const MAX_HOST_LEN: usize = MAX_DOMAIN_LEN + 1 + 6;

/// The domains under which a service answers for its tenants, each tenant one label below one of them.
///
/// Of two base domains of which one ends with the other, the longer decides. Compared without regard to case.
///
/// # Example
/// ```
/// use diesel_tenants::BaseDomains;
///
/// let bases = BaseDomains::new(["example.com", "localhost"])?;
/// assert_eq!(bases.subdomain_of("City-General.localhost:8000")?.as_str(), "city-general");
/// assert!(bases.subdomain_of("city-general.evil.example").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BaseDomains {
    /// In lower case, the longest first.
    names: Vec<Box<str>>,
}

impl BaseDomains {
    /// Takes the base domains of a service, as it is configured: no port, no dot at either end, no address.
    ///
    /// # Errors
    /// - [`BaseDomainError::None`]: the list is empty, so that no host would ever be known.
    /// - [`BaseDomainError::Repeated`]: a domain is listed twice.
    /// - The other variants: an entry is not a domain name.
    pub fn new<I>(domains: I) -> Result<Self, BaseDomainError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut names: Vec<Box<str>> = Vec::new();
        for domain in domains {
            let domain = domain.as_ref();
            check_domain(domain)?;
            let name = domain.to_ascii_lowercase().into_boxed_str();
            if names.contains(&name) {
                return Err(BaseDomainError::Repeated {
                    given: Excerpt::of(domain),
                });
            }
            names.push(name);
        }
        if names.is_empty() {
            return Err(BaseDomainError::None);
        }
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Ok(Self { names })
    }

    /// The subdomain that the value of one `Host` header asks for.
    ///
    /// A port, one final dot and upper case are accepted and dropped. Whether a tenant has this subdomain is for the
    /// caller to find out. A request with two `Host` headers is to be refused before this is asked.
    ///
    /// # Errors
    /// - [`HostError::InvalidHost`]: the header is no host at all.
    /// - [`HostError::UnknownHost`]: an address, or a name under none of the base domains.
    /// - [`HostError::NoSubdomain`]: a base domain itself.
    /// - [`HostError::InvalidSubdomain`]: what stands before the base domain is no [`Subdomain`].
    pub fn subdomain_of(&self, host_header: &str) -> Result<Subdomain, HostError> {
        let given = || Excerpt::of(host_header);
        let host = host_name(host_header)?;
        let Some(below) = self.names.iter().find_map(|base| strip_base(host, base)) else {
            return Err(HostError::UnknownHost { given: given() });
        };
        if below.is_empty() {
            return Err(HostError::NoSubdomain { given: given() });
        }
        // Where the dot before the base is all there is, the empty label is refused by name.
        let label = below.strip_suffix('.').unwrap_or(below);
        label.parse().map_err(|source| HostError::InvalidSubdomain {
            given: given(),
            source,
        })
    }
}

/// What stands before `base` at the end of `host`, its dot included; nothing where they are the same.
fn strip_base<'h>(host: &'h str, base: &str) -> Option<&'h str> {
    let (below, end) = host.split_at_checked(host.len().checked_sub(base.len())?)?;
    let whole_labels = below.is_empty() || below.ends_with('.');
    (whole_labels && end.eq_ignore_ascii_case(base)).then_some(below)
}

/// The name or address in the value of one `Host` header, without its port and final dot; an IPv6 address in its brackets.
/// It is ASCII, in the case it was given in: compare it without regard to case.
///
/// ```
/// use diesel_tenants::host_name;
///
/// assert_eq!(host_name("Clinic.example.:8443")?, "Clinic.example");
/// assert!(host_name("clinic.example:99999").is_err());
/// # Ok::<(), diesel_tenants::HostError>(())
/// ```
///
/// # Errors
/// [`HostError::InvalidHost`].
pub fn host_name(host_header: &str) -> Result<&str, HostError> {
    parsed(host_header).map_err(|fault| HostError::InvalidHost {
        given: Excerpt::of(host_header),
        fault,
    })
}

fn parsed(header: &str) -> Result<&str, HostFault> {
    for (index, found) in header.chars().take(MAX_HOST_LEN).enumerate() {
        let at = index + 1;
        match found {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | ':' => {}
            '[' | ']' if header.starts_with('[') => {}
            // A list of values, as some proxies make of two headers.
            ',' => return Err(HostFault::MoreThanOneHost { at }),
            ' ' | '\t' if index > 0 && !header[at..].trim().is_empty() => {
                return Err(HostFault::MoreThanOneHost { at });
            }
            _ => return Err(HostFault::Forbidden { found, at }),
        }
    }
    if header.len() > MAX_HOST_LEN {
        return Err(HostFault::TooLong { len: header.len() });
    }

    if let Some(address) = header.strip_prefix('[') {
        let (address, rest) = address.split_once(']').ok_or(HostFault::Address)?;
        if address.parse::<Ipv6Addr>().is_err() {
            return Err(HostFault::Address);
        }
        let bracketed = address.len() + 2;
        match rest.strip_prefix(':') {
            Some(port) => check_port(port, bracketed + 2)?,
            None if rest.is_empty() => {}
            None => return Err(HostFault::Port { at: bracketed + 1 }),
        }
        return Ok(&header[..bracketed]);
    }

    let name = match header.split_once(':') {
        Some((name, port)) => {
            check_port(port, name.len() + 2)?;
            name
        }
        None => header,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        Err(HostFault::Empty)
    } else {
        Ok(name)
    }
}

/// Checks the text after a colon, which begins at character `at`.
fn check_port(port: &str, at: usize) -> Result<(), HostFault> {
    // A number alone may have any number of zeroes before it.
    match port.parse::<u16>() {
        Ok(1..) if port.len() <= 5 => Ok(()),
        _ => Err(HostFault::Port { at }),
    }
}

fn check_domain(domain: &str) -> Result<(), BaseDomainError> {
    let given = || Excerpt::of(domain);
    let mut start = 0;
    for label in domain.split('.') {
        if label.is_empty() {
            return Err(BaseDomainError::EmptyLabel {
                given: given(),
                at: start + 1,
            });
        }
        for (index, found) in label.chars().enumerate() {
            let at = start + index + 1;
            let hyphen_inside = found == '-' && index > 0 && index + 1 < label.len();
            if !found.is_ascii_alphanumeric() && !hyphen_inside {
                return Err(BaseDomainError::Forbidden {
                    given: given(),
                    found,
                    at,
                });
            }
        }
        if label.len() > Subdomain::MAX_LEN {
            return Err(BaseDomainError::LabelTooLong {
                given: given(),
                len: label.len(),
                at: start + 1,
            });
        }
        start += label.len() + 1;
    }
    if domain.len() > MAX_DOMAIN_LEN {
        return Err(BaseDomainError::TooLong {
            given: given(),
            len: domain.len(),
        });
    }
    // No domain ends with a number; `127.0.0.1` below the base domain `0.0.1` would be a tenant.
    let last = domain.rsplit('.').next().unwrap_or(domain);
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BaseDomainError::Address {
            given: given(),
            at: domain.len() - last.len() + 1,
        });
    }
    Ok(())
}

/// Why a list is not a list of [`BaseDomains`].
///
/// Positions count characters from 1. `given` is the entry that was refused, escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseDomainError {
    /// The list has no entry.
    #[error("no base domain is given; list at least one, such as `example.com`")]
    None,
    /// An entry that is empty, or has nothing on one side of a dot.
    #[error("base domain {given} has an empty label at character {at}; {rule}", rule = BASE_RULE)]
    EmptyLabel {
        /// What was given.
        given: Excerpt,
        /// Where the label should have begun, counted from 1.
        at: usize,
    },
    /// A character that a domain name does not have, such as `:`, or a hyphen at the end of a label.
    #[error("base domain {given} has {found} at character {at}, which is not allowed there; {rule}",
        found = Character(*.found), rule = BASE_RULE)]
    Forbidden {
        /// What was given.
        given: Excerpt,
        /// The character.
        found: char,
        /// Where it stands, counted from 1.
        at: usize,
    },
    /// A label of more than 63 bytes.
    #[error("base domain {given} has a label of {len} bytes at character {at}; {rule}", rule = BASE_RULE)]
    LabelTooLong {
        /// What was given.
        given: Excerpt,
        /// The length of the label in bytes.
        len: usize,
        /// Where the label begins, counted from 1.
        at: usize,
    },
    /// More than 253 bytes.
    #[error("base domain {given} is too long: {len} bytes, at most 253; {rule}", rule = BASE_RULE)]
    TooLong {
        /// What was given.
        given: Excerpt,
        /// Its length in bytes.
        len: usize,
    },
    /// An IP address, or what could be the end of one.
    #[error("base domain {given} ends with a number at character {at}, like an address; {rule}", rule = BASE_RULE)]
    Address {
        /// What was given.
        given: Excerpt,
        /// Where the number begins, counted from 1.
        at: usize,
    },
    /// A domain that an earlier entry has named.
    #[error("base domain {given} is listed twice; list it once")]
    Repeated {
        /// What was given.
        given: Excerpt,
    },
}

/// Why a `Host` header leads to no [`Subdomain`].
///
/// `given` is the header that was refused, escaped and cut. For the operator: to the caller, an unknown host and an
/// unknown tenant should look the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// No host at all; the request is malformed.
    #[error("host {given} is not valid: {fault}; {rule}", rule = HOST_RULE)]
    InvalidHost {
        /// What was given.
        given: Excerpt,
        /// What is wrong with it.
        fault: HostFault,
    },
    /// A host, but not one of this service.
    #[error(
        "host {given} is under none of the base domains; ask for one that is, or add its domain to them"
    )]
    UnknownHost {
        /// What was given.
        given: Excerpt,
    },
    /// A base domain with no tenant before it: where a service may put its front page.
    #[error("host {given} is a base domain itself; put the subdomain of a tenant before it")]
    NoSubdomain {
        /// What was given.
        given: Excerpt,
    },
    /// What stands before the base domain cannot be the subdomain of a tenant.
    #[error("host {given} has no valid subdomain before its base domain")]
    InvalidSubdomain {
        /// What was given.
        given: Excerpt,
        /// The rule that it breaks.
        source: SubdomainError,
    },
}

/// What is wrong with a `Host` header that is no host at all. Positions count characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostFault {
    /// No name is left without port and final dot.
    #[error("it has no name")]
    Empty,
    /// More bytes than a domain name and a port can have.
    #[error("it is too long, {len} bytes, at most 260")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Two hosts, divided by a comma or a blank.
    #[error("more than one host, divided at character {at}")]
    MoreThanOneHost {
        /// Where the comma or the blank stands.
        at: usize,
    },
    /// A character that no host has.
    #[error("{found} at character {at} is not allowed", found = Character(*.found))]
    Forbidden {
        /// The character.
        found: char,
        /// Where it stands.
        at: usize,
    },
    /// What follows the colon is no port.
    #[error("no port at character {at}")]
    Port {
        /// Where the port should stand.
        at: usize,
    },
    /// An opening bracket that begins no IPv6 address.
    #[error("no IPv6 address between brackets at character 1")]
    Address,
}
