//! The hosts the console answers at.
use diesel_tenants::host_name;

/// A list of hosts that [`Console::hosts`](crate::Console::hosts) cannot go by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostsError {
    /// It is empty. A console at no host answers nobody, and one at every host must be meant.
    #[error(
        "the list of hosts is empty; name one at least, or leave `Console::hosts` out to answer at every host"
    )]
    None,
    /// No request could ever name this one.
    #[error(
        "host {number} of the list is no host; write a name or an address alone, such as `admin.example.com` or `[::1]`"
    )]
    NotAHost {
        /// Which, from 1 on.
        number: usize,
    },
}

/// The names of these hosts.
pub(crate) fn names_of(
    hosts: impl IntoIterator<Item = impl Into<String>>,
) -> Result<Vec<String>, HostsError> {
    let names = (1..).zip(hosts).map(|(number, host)| {
        let name = name_of(&host.into()).filter(|name| is_host(name));
        name.ok_or(HostsError::NotAHost { number })
    });
    let names: Vec<_> = names.collect::<Result<_, _>>()?;
    match names.is_empty() {
        true => Err(HostsError::None),
        false => Ok(names),
    }
}

/// A host without its port and final dot, lower-case. `None` where it is none.
pub(crate) fn name_of(host: &str) -> Option<String> {
    Some(host_name(host).ok()?.to_ascii_lowercase())
}

/// Whether a request could be for it: a name has no empty labels.
fn is_host(name: &str) -> bool {
    name.starts_with('[') || name.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_lets_nobody_in_or_everybody_is_refused() {
        assert_eq!(names_of([""; 0]), Err(HostsError::None));
        for wrong in [
            "",
            ".",
            ":80",
            "::1",
            "[::1",
            "*",
            "*.example.com",
            "https://admin.example.com",
            "admin.example.com/console",
            "a b",
            "a,b",
            "a..b",
            "admin.example.com:",
            "admin.example.com:99999",
        ] {
            let refused = names_of(["localhost", wrong]);
            assert_eq!(refused, Err(HostsError::NotAHost { number: 2 }), "{wrong}");
        }
        let names = names_of(["Admin.Example.com.:8443", "[::1]:80", "127.0.0.1"]).unwrap();
        assert_eq!(names, ["admin.example.com", "[::1]", "127.0.0.1"]);
    }
}
