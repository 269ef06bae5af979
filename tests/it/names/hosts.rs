//! From a host to the label of a tenant: subdomains, `Host` headers, base domains.

use std::error::Error;

use diesel_tenants::{BaseDomainError, BaseDomains, HostError, HostFault, SubdomainError};

use super::{assert_printable, host, id, label};

const LABEL_RULE: &str = "a subdomain is one label of ASCII letters, digits and single hyphens, \
                          no hyphen at its ends, 1 to 63 characters in all";
const BASE_RULE: &str = "a base domain is a name such as `example.com`: labels of ASCII letters, digits and \
                         hyphens, 1 to 63 each";
const HOST_RULE: &str =
    "a host is one domain name or address, then `:` and a port from 1 to 65535 if there is one";
const ANOTHER_LABEL: &str = "choose another subdomain";

#[test]
fn subdomain_is_one_plain_label() {
    let (a63, a64) = ("a".repeat(63), "a".repeat(64));
    refused! { label, LABEL_RULE;
        "" => SubdomainError::EmptyLabel { at: 1, .. }, r#"subdomain "" has an empty label at character 1"#;
        "." => SubdomainError::EmptyLabel { at: 1, .. }, r#"subdomain "." has an empty label at character 1"#;
        "a..b" => SubdomainError::EmptyLabel { at: 3, .. },
            r#"subdomain "a..b" has an empty label at character 3"#;
        "a." => SubdomainError::EmptyLabel { at: 3, .. }, r#"subdomain "a." has an empty label at character 3"#;
        "a.b" => SubdomainError::MoreThanOneLabel { at: 2, .. },
            r#"subdomain "a.b" has more than one label, divided at character 2"#;
        &a64 => SubdomainError::TooLong { len: 64, .. },
            format!(r#"subdomain "{a64}" is too long: 64 bytes"#);
        // What stands beyond the limit is not looked at.
        &format!("{a63}.b") => SubdomainError::TooLong { len: 65, .. },
            format!(r#"subdomain "{a63}."… is too long: 65 bytes"#);
        "-a" => SubdomainError::HyphenAtEnd { at: 1, .. },
            r#"subdomain "-a" has a hyphen at character 1, which is one of its ends"#;
        "a-" => SubdomainError::HyphenAtEnd { at: 2, .. },
            r#"subdomain "a-" has a hyphen at character 2, which is one of its ends"#;
        "abc-" => SubdomainError::HyphenAtEnd { at: 4, .. },
            r#"subdomain "abc-" has a hyphen at character 4, which is one of its ends"#;
        "a--b" => SubdomainError::DoubleHyphen { at: 2, .. },
            r#"subdomain "a--b" has two hyphens in a row at character 2"#;
        "ab--c" => SubdomainError::DoubleHyphen { at: 3, .. },
            r#"subdomain "ab--c" has two hyphens in a row at character 3"#;
        "a_b" => SubdomainError::Forbidden { found: '_', at: 2, .. },
            r#"subdomain "a_b" has '_' at character 2, which is not allowed"#;
        "st\u{e4}dt" => SubdomainError::Forbidden { found: '\u{e4}', at: 3, .. },
            "subdomain \"st\u{e4}dt\" has U+00E4 at character 3, which is not allowed";
        "a\r\nb" => SubdomainError::Forbidden { found: '\r', at: 2, .. },
            r#"subdomain "a\r\nb" has U+000D at character 2, which is not allowed"#;
        "xn--80ak6aa92e" => SubdomainError::Punycode { .. },
            r#"subdomain "xn--80ak6aa92e" begins with `xn--` at character 1: punycode is not allowed"#;
        "XN--80AK6AA92E" => SubdomainError::Punycode { .. },
            r#"subdomain "XN--80AK6AA92E" begins with `xn--` at character 1: punycode is not allowed"#;
    }
    refused! { label, ANOTHER_LABEL;
        "www" => SubdomainError::Reserved { word: "www", .. }, r#"subdomain "www" is the reserved word `www`"#;
        "admin" => SubdomainError::Reserved { word: "admin", .. },
            r#"subdomain "admin" is the reserved word `admin`"#;
        "api" => SubdomainError::Reserved { word: "api", .. }, r#"subdomain "api" is the reserved word `api`"#;
        "WPAD" => SubdomainError::Reserved { word: "wpad", .. }, r#"subdomain "WPAD" is the reserved word `wpad`"#;
    }
    assert_eq!(label(&a63).expect("a valid label").as_str(), a63);
    assert_eq!(id("abc-").suggested_subdomain(), None);
    assert_eq!(id("a--b").suggested_subdomain(), None);
}

#[test]
fn host_is_resolved_without_port_final_dot_and_case() {
    for header in [
        "city-general.localhost:8000",
        "city-general.localhost",
        "city-general.example.com.",
        "city-general.example.com.:443",
        "CITY-General.EXAMPLE.com",
        "city-general.example.com:65535",
        "city-general.example.com:1",
    ] {
        assert_eq!(host(header).expect(header).as_str(), "city-general");
    }
}

#[test]
fn host_that_is_no_host_is_invalid() {
    let long = "a".repeat(261);
    let a64 = "a".repeat(64);
    use HostError::InvalidHost;
    refused! { host, HOST_RULE;
        "city-general.localhost:99999" => InvalidHost { fault: HostFault::Port { at: 24 }, .. },
            r#"host "city-general.localhost:99999" is not valid: no port at character 24"#;
        "a.localhost:0" => InvalidHost { fault: HostFault::Port { at: 13 }, .. },
            r#"host "a.localhost:0" is not valid: no port at character 13"#;
        "a.localhost:" => InvalidHost { fault: HostFault::Port { at: 13 }, .. },
            r#"host "a.localhost:" is not valid: no port at character 13"#;
        "a.localhost:+80" => InvalidHost { fault: HostFault::Forbidden { found: '+', at: 13 }, .. },
            r#"host "a.localhost:+80" is not valid: '+' at character 13 is not allowed"#;
        "a.localhost:000080" => InvalidHost { fault: HostFault::Port { at: 13 }, .. },
            r#"host "a.localhost:000080" is not valid: no port at character 13"#;
        "a.localhost:80:80" => InvalidHost { fault: HostFault::Port { at: 13 }, .. },
            r#"host "a.localhost:80:80" is not valid: no port at character 13"#;
        "[::1]:99999" => InvalidHost { fault: HostFault::Port { at: 7 }, .. },
            r#"host "[::1]:99999" is not valid: no port at character 7"#;
        "[::1].example.com" => InvalidHost { fault: HostFault::Port { at: 6 }, .. },
            r#"host "[::1].example.com" is not valid: no port at character 6"#;
        "[::1" => InvalidHost { fault: HostFault::Address, .. },
            r#"host "[::1" is not valid: no IPv6 address between brackets at character 1"#;
        "[a.example.com]" => InvalidHost { fault: HostFault::Address, .. },
            r#"host "[a.example.com]" is not valid: no IPv6 address between brackets at character 1"#;
        "a.example.com, b.example.com" => InvalidHost { fault: HostFault::MoreThanOneHost { at: 14 }, .. },
            r#"host "a.example.com, b.example.com" is not valid: more than one host, divided at character 14"#;
        "a.example.com b.example.com" => InvalidHost { fault: HostFault::MoreThanOneHost { at: 14 }, .. },
            r#"host "a.example.com b.example.com" is not valid: more than one host, divided at character 14"#;
        "a.example.com " => InvalidHost { fault: HostFault::Forbidden { found: ' ', at: 14 }, .. },
            r#"host "a.example.com " is not valid: U+0020 at character 14 is not allowed"#;
        " a.example.com" => InvalidHost { fault: HostFault::Forbidden { found: ' ', at: 1 }, .. },
            r#"host " a.example.com" is not valid: U+0020 at character 1 is not allowed"#;
        "a[::1].example.com" => InvalidHost { fault: HostFault::Forbidden { found: '[', at: 2 }, .. },
            r#"host "a[::1].example.com" is not valid: '[' at character 2 is not allowed"#;
        "a@b.example.com" => InvalidHost { fault: HostFault::Forbidden { found: '@', at: 2 }, .. },
            r#"host "a@b.example.com" is not valid: '@' at character 2 is not allowed"#;
        "\u{430}.example.com" => InvalidHost { fault: HostFault::Forbidden { found: '\u{430}', at: 1 }, .. },
            "host \"\u{430}.example.com\" is not valid: U+0430 at character 1 is not allowed";
        "a.example.com\r\nX: y" => InvalidHost { fault: HostFault::Forbidden { found: '\r', at: 14 }, .. },
            r#"host "a.example.com\r\nX: y" is not valid: U+000D at character 14 is not allowed"#;
        "" => InvalidHost { fault: HostFault::Empty, .. }, r#"host "" is not valid: it has no name"#;
        ".:80" => InvalidHost { fault: HostFault::Empty, .. }, r#"host ".:80" is not valid: it has no name"#;
        &long => InvalidHost { fault: HostFault::TooLong { len: 261 }, .. },
            format!(r#"host "{a64}"… is not valid: it is too long, 261 bytes, at most 260"#);
        &format!("{long},b.example.com") => InvalidHost { fault: HostFault::TooLong { len: 275 }, .. },
            format!(r#"host "{a64}"… is not valid: it is too long, 275 bytes, at most 260"#);
    }
}

#[test]
fn host_outside_the_base_domains_is_unknown() {
    let outside = "ask for one that is, or add its domain to them";
    refused! { host, outside;
        "city-general.evil.com" => HostError::UnknownHost { .. },
            r#"host "city-general.evil.com" is under none of the base domains"#;
        "127.0.0.1" => HostError::UnknownHost { .. }, r#"host "127.0.0.1" is under none of the base domains"#;
        "[::1]" => HostError::UnknownHost { .. }, r#"host "[::1]" is under none of the base domains"#;
        "[::1]:8000" => HostError::UnknownHost { .. }, r#"host "[::1]:8000" is under none of the base domains"#;
        "a.example.com.evil.com" => HostError::UnknownHost { .. },
            r#"host "a.example.com.evil.com" is under none of the base domains"#;
        "evilexample.com" => HostError::UnknownHost { .. },
            r#"host "evilexample.com" is under none of the base domains"#;
        "com" => HostError::UnknownHost { .. }, r#"host "com" is under none of the base domains"#;
    }
}

#[test]
fn host_of_a_base_domain_needs_one_valid_label_before_it() {
    refused! { host, "put the subdomain of a tenant before it";
        "example.com" => HostError::NoSubdomain { .. }, r#"host "example.com" is a base domain itself"#;
        "LOCALHOST.:80" => HostError::NoSubdomain { .. }, r#"host "LOCALHOST.:80" is a base domain itself"#;
    }
    // The rule that was broken is the source, and is not repeated by the host's own message.
    let below = |header: &str| match host(header) {
        Err(error @ HostError::InvalidSubdomain { .. }) => {
            let message =
                format!(r#"host "{header}" has no valid subdomain before its base domain"#);
            assert_eq!(error.to_string(), message);
            let source = error
                .source()
                .expect("the broken rule")
                .downcast_ref::<SubdomainError>();
            Err(source.expect("a rule of subdomains").clone())
        }
        other => Ok(other),
    };
    refused! { below, LABEL_RULE;
        "a_b.example.com" => SubdomainError::Forbidden { found: '_', at: 2, .. },
            r#"subdomain "a_b" has '_' at character 2, which is not allowed"#;
        "xn--80ak6aa92e.example.com" => SubdomainError::Punycode { .. },
            r#"subdomain "xn--80ak6aa92e" begins with `xn--` at character 1: punycode is not allowed"#;
        "a.b.example.com" => SubdomainError::MoreThanOneLabel { at: 2, .. },
            r#"subdomain "a.b" has more than one label, divided at character 2"#;
        ".example.com" => SubdomainError::EmptyLabel { at: 1, .. },
            r#"subdomain "" has an empty label at character 1"#;
        "a..example.com" => SubdomainError::EmptyLabel { at: 3, .. },
            r#"subdomain "a." has an empty label at character 3"#;
        "a-.example.com" => SubdomainError::HyphenAtEnd { at: 2, .. },
            r#"subdomain "a-" has a hyphen at character 2, which is one of its ends"#;
    }
    refused! { below, ANOTHER_LABEL;
        "www.example.com" => SubdomainError::Reserved { word: "www", .. },
            r#"subdomain "www" is the reserved word `www`"#;
        "Admin.localhost:8000" => SubdomainError::Reserved { word: "admin", .. },
            r#"subdomain "Admin" is the reserved word `admin`"#;
    }
}

#[test]
fn host_under_two_base_domains_belongs_to_the_longer() {
    let bases = BaseDomains::new(["example.com", "EU.example.com"]).expect("valid base domains");
    assert_eq!(
        bases
            .subdomain_of("a.eu.example.com")
            .expect("known")
            .as_str(),
        "a"
    );
    assert_eq!(
        bases
            .subdomain_of("us.example.com")
            .expect("known")
            .as_str(),
        "us"
    );
    assert!(matches!(
        bases.subdomain_of("eu.example.com"),
        Err(HostError::NoSubdomain { .. })
    ));
}

#[test]
fn base_domains_are_names_of_hosts() {
    let (a64, long) = ("a".repeat(64), format!("{}aaaa", "abc.".repeat(63)));
    let base = |domain: &str| BaseDomains::new([domain]);
    refused! { base, BASE_RULE;
        "" => BaseDomainError::EmptyLabel { at: 1, .. }, r#"base domain "" has an empty label at character 1"#;
        ".example.com" => BaseDomainError::EmptyLabel { at: 1, .. },
            r#"base domain ".example.com" has an empty label at character 1"#;
        "example.com." => BaseDomainError::EmptyLabel { at: 13, .. },
            r#"base domain "example.com." has an empty label at character 13"#;
        "localhost:8000" => BaseDomainError::Forbidden { found: ':', at: 10, .. },
            r#"base domain "localhost:8000" has ':' at character 10, which is not allowed there"#;
        "a.-b" => BaseDomainError::Forbidden { found: '-', at: 3, .. },
            r#"base domain "a.-b" has '-' at character 3, which is not allowed there"#;
        "b-.a" => BaseDomainError::Forbidden { found: '-', at: 2, .. },
            r#"base domain "b-.a" has '-' at character 2, which is not allowed there"#;
        &format!("x.{a64}") => BaseDomainError::LabelTooLong { len: 64, at: 3, .. },
            format!(r#"base domain "x.{}"… has a label of 64 bytes at character 3"#, &a64[2..]);
        &long => BaseDomainError::TooLong { len: 256, .. },
            format!(r#"base domain "{}"… is too long: 256 bytes, at most 253"#, "abc.".repeat(16));
        "127.0.0.1" => BaseDomainError::Address { at: 9, .. },
            r#"base domain "127.0.0.1" ends with a number at character 9, like an address"#;
        "0.0.1" => BaseDomainError::Address { at: 5, .. },
            r#"base domain "0.0.1" ends with a number at character 5, like an address"#;
    }
    refused! { |list: &[&str]| BaseDomains::new(list), "list it once";
        &["localhost", "LOCALHOST"] => BaseDomainError::Repeated { .. },
            r#"base domain "LOCALHOST" is listed twice"#;
    }
    refused! { |list: [&str; 0]| BaseDomains::new(list), "list at least one, such as `example.com`";
        [] => BaseDomainError::None, "no base domain is given";
    }
    assert!(base("xn--mnchen-3ya.de").is_ok());
}
