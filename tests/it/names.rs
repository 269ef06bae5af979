//! Names from outside: what is accepted, what is refused, and in which words.
//!
//! Every row is one input with the exact variant and the exact text of its error, because operators
//! search for the text and programs match the variant.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fmt::Display;

use diesel_tenants::{
    BaseDomains, CsvSafe, DisplayName, DisplayNameError, HostError, Subdomain, SubdomainError,
    TenantId, TenantIdError,
};
use proptest::prelude::*;

const ID_RULE: &str = "a tenant id is an ASCII letter, then ASCII letters, digits, `-` or `_`, \
                       2 to 32 characters in all";
const NAME_RULE: &str = "a display name is 1 to 200 characters, with no control or text direction \
                         characters, not blank, and with no whitespace at its ends";
const ANOTHER_ID: &str = "choose another id";

/// No message is longer than this, whatever was given: 64 characters of it, and the rule.
const MESSAGE_CHARS: usize = 320;

/// Checks rows of `input => variant, message;` against `$parse`; each message ends with `$end`.
macro_rules! refused {
    ($parse:expr, $end:expr; $($input:expr => $variant:pat, $message:expr;)+) => { $({
        let error = $parse($input).expect_err(&format!("accepted: {}", stringify!($input)));
        assert!(matches!(error, $variant), "{} gave {error:?}", stringify!($input));
        assert_eq!(error.to_string(), format!("{}; {}", $message, $end));
        assert_printable(&error);
    })+ };
}

// Below the macro, which the module uses.
mod hosts;

/// A message is one line of bounded length that cannot steer a terminal.
fn assert_printable(error: &impl Display) {
    let message = error.to_string();
    assert!(
        message.chars().count() <= MESSAGE_CHARS,
        "{} characters: {message}",
        message.chars().count()
    );
    assert!(!message.contains(char::is_control), "{message:?}");
}

fn parse_id(text: &str) -> Result<TenantId, TenantIdError> {
    text.parse()
}

fn id(text: &str) -> TenantId {
    parse_id(text).expect("a valid tenant id")
}

fn label(text: &str) -> Result<Subdomain, SubdomainError> {
    text.parse()
}

fn name(text: &str) -> Result<DisplayName, DisplayNameError> {
    text.parse()
}

fn bases() -> BaseDomains {
    BaseDomains::new(["example.com", "localhost"]).expect("valid base domains")
}

fn host(header: &str) -> Result<Subdomain, HostError> {
    bases().subdomain_of(header)
}

#[test]
fn tenant_id_length_is_bounded() {
    let (a33, a4096, a10m) = ("a".repeat(33), "a".repeat(4096), "a".repeat(10_000_000));
    let a64 = "a".repeat(64);
    refused! { parse_id, ID_RULE;
        "" => TenantIdError::Empty, "tenant id is empty";
        "A" => TenantIdError::TooShort { len: 1, .. }, r#"tenant id "A" is too short: 1 character"#;
        &a33 => TenantIdError::TooLong { len: 33, .. },
            format!(r#"tenant id "{a33}" is too long: 33 characters"#);
        &a4096 => TenantIdError::TooLong { len: 4096, .. },
            format!(r#"tenant id "{a64}"… is too long: 4096 characters"#);
        &a10m => TenantIdError::TooLong { len: 10_000_000, .. },
            format!(r#"tenant id "{a64}"… is too long: 10000000 characters"#);
        // What stands beyond the limit is not looked at.
        &format!("{}/", &a33[1..]) => TenantIdError::TooLong { len: 33, .. },
            format!(r#"tenant id "{}/" is too long: 33 characters"#, &a33[1..]);
    }
    assert_eq!(id("ab").as_str(), "ab");
    assert_eq!(id(&a33[1..]).as_str(), &a33[1..]);
}

#[test]
fn tenant_id_refuses_whitespace_and_control_characters() {
    refused! { parse_id, ID_RULE;
        " " => TenantIdError::Whitespace { found: ' ', at: 1, .. },
            r#"tenant id " " has whitespace U+0020 at character 1, which is not allowed"#;
        "\t" => TenantIdError::Whitespace { found: '\t', at: 1, .. },
            r#"tenant id "\t" has whitespace U+0009 at character 1, which is not allowed"#;
        "\u{a0}" => TenantIdError::Whitespace { found: '\u{a0}', at: 1, .. },
            r#"tenant id "\u{a0}" has whitespace U+00A0 at character 1, which is not allowed"#;
        "a\0b" => TenantIdError::ControlCharacter { found: '\0', at: 2, .. },
            r#"tenant id "a\0b" has control character U+0000 at character 2, which is not allowed"#;
        "a\nb" => TenantIdError::ControlCharacter { found: '\n', at: 2, .. },
            r#"tenant id "a\nb" has control character U+000A at character 2, which is not allowed"#;
        "a\r\nSet-Cookie: x" => TenantIdError::ControlCharacter { found: '\r', at: 2, .. },
            r#"tenant id "a\r\nSet-Cookie: x" has control character U+000D at character 2, which is not allowed"#;
        "a\u{1b}[31mb" => TenantIdError::ControlCharacter { found: '\u{1b}', at: 2, .. },
            r#"tenant id "a\u{1b}[31mb" has control character U+001B at character 2, which is not allowed"#;
    }
}

#[test]
fn tenant_id_refuses_what_means_something_in_a_path_or_uri() {
    refused! { parse_id, ID_RULE;
        ".." => TenantIdError::Forbidden { found: '.', at: 1, .. },
            r#"tenant id ".." has '.' at character 1, which is not allowed"#;
        "." => TenantIdError::Forbidden { found: '.', at: 1, .. },
            r#"tenant id "." has '.' at character 1, which is not allowed"#;
        ".hidden" => TenantIdError::Forbidden { found: '.', at: 1, .. },
            r#"tenant id ".hidden" has '.' at character 1, which is not allowed"#;
        "../TH001" => TenantIdError::Forbidden { found: '.', at: 1, .. },
            r#"tenant id "../TH001" has '.' at character 1, which is not allowed"#;
        "a/b" => TenantIdError::Forbidden { found: '/', at: 2, .. },
            r#"tenant id "a/b" has '/' at character 2, which is not allowed"#;
        r"a\b" => TenantIdError::Forbidden { found: '\\', at: 2, .. },
            r#"tenant id "a\\b" has '\' at character 2, which is not allowed"#;
        "%2e%2e" => TenantIdError::Forbidden { found: '%', at: 1, .. },
            r#"tenant id "%2e%2e" has '%' at character 1, which is not allowed"#;
        "a?mode=memory" => TenantIdError::Forbidden { found: '?', at: 2, .. },
            r#"tenant id "a?mode=memory" has '?' at character 2, which is not allowed"#;
        "a#b" => TenantIdError::Forbidden { found: '#', at: 2, .. },
            r##"tenant id "a#b" has '#' at character 2, which is not allowed"##;
        "file:x" => TenantIdError::Forbidden { found: ':', at: 5, .. },
            r#"tenant id "file:x" has ':' at character 5, which is not allowed"#;
        ":memory:" => TenantIdError::Forbidden { found: ':', at: 1, .. },
            r#"tenant id ":memory:" has ':' at character 1, which is not allowed"#;
        "sqlite://x" => TenantIdError::Forbidden { found: ':', at: 7, .. },
            r#"tenant id "sqlite://x" has ':' at character 7, which is not allowed"#;
    }
}

#[test]
fn tenant_id_refuses_what_means_something_in_sql_or_a_shell() {
    refused! { parse_id, ID_RULE;
        "a'; DROP TABLE users;--" => TenantIdError::Forbidden { found: '\'', at: 2, .. },
            r#"tenant id "a'; DROP TABLE users;--" has ''' at character 2, which is not allowed"#;
        "a\" ; DROP SCHEMA public CASCADE; --" => TenantIdError::Forbidden { found: '"', at: 2, .. },
            r#"tenant id "a\" ; DROP SCHEMA public CASCADE; --" has '"' at character 2, which is not allowed"#;
        "$(reboot)" => TenantIdError::Forbidden { found: '$', at: 1, .. },
            r#"tenant id "$(reboot)" has '$' at character 1, which is not allowed"#;
        "`id`" => TenantIdError::Forbidden { found: '`', at: 1, .. },
            r#"tenant id "`id`" has '`' at character 1, which is not allowed"#;
        "a;b" => TenantIdError::Forbidden { found: ';', at: 2, .. },
            r#"tenant id "a;b" has ';' at character 2, which is not allowed"#;
        "a|b" => TenantIdError::Forbidden { found: '|', at: 2, .. },
            r#"tenant id "a|b" has '|' at character 2, which is not allowed"#;
    }
}

#[test]
fn tenant_id_names_the_code_point_of_what_looks_like_ascii() {
    refused! { parse_id, ID_RULE;
        "ｔｈ001" => TenantIdError::NonAscii { found: '\u{ff54}', at: 1, .. },
            r#"tenant id "ｔｈ001" has non-ASCII character U+FF54 at character 1, which is not allowed"#;
        "t\u{4bb}001" => TenantIdError::NonAscii { found: '\u{4bb}', at: 2, .. },
            "tenant id \"t\u{4bb}001\" has non-ASCII character U+04BB at character 2, which is not allowed";
        "\u{e9}" => TenantIdError::NonAscii { found: '\u{e9}', at: 1, .. },
            "tenant id \"\u{e9}\" has non-ASCII character U+00E9 at character 1, which is not allowed";
        "e\u{301}" => TenantIdError::NonAscii { found: '\u{301}', at: 2, .. },
            r#"tenant id "e\u{301}" has non-ASCII character U+0301 at character 2, which is not allowed"#;
        "a\u{200b}b" => TenantIdError::NonAscii { found: '\u{200b}', at: 2, .. },
            r#"tenant id "a\u{200b}b" has non-ASCII character U+200B at character 2, which is not allowed"#;
        "\u{202e}abc" => TenantIdError::NonAscii { found: '\u{202e}', at: 1, .. },
            r#"tenant id "\u{202e}abc" has non-ASCII character U+202E at character 1, which is not allowed"#;
    }
}

#[test]
fn tenant_id_begins_with_a_letter() {
    refused! { parse_id, ID_RULE;
        "1abc" => TenantIdError::NotALetterFirst { found: '1', .. },
            r#"tenant id "1abc" has '1' at character 1, where only a letter may stand"#;
        "123" => TenantIdError::NotALetterFirst { found: '1', .. },
            r#"tenant id "123" has '1' at character 1, where only a letter may stand"#;
        "-abc" => TenantIdError::NotALetterFirst { found: '-', .. },
            r#"tenant id "-abc" has '-' at character 1, where only a letter may stand"#;
        "--all" => TenantIdError::NotALetterFirst { found: '-', .. },
            r#"tenant id "--all" has '-' at character 1, where only a letter may stand"#;
        "_abc" => TenantIdError::NotALetterFirst { found: '_', .. },
            r#"tenant id "_abc" has '_' at character 1, where only a letter may stand"#;
    }
}

#[test]
fn tenant_id_refuses_reserved_words_in_any_spelling() {
    let devices = (0..=9).flat_map(|n| [format!("com{n}"), format!("lpt{n}")]);
    let words = [
        "con",
        "prn",
        "aux",
        "nul",
        "shared",
        "default",
        "public",
        "main",
        "temp",
        "postgres",
        "template0",
        "template1",
        "admin",
        "www",
        "api",
    ];
    for reserved in words.map(String::from).into_iter().chain(devices) {
        for given in [reserved.clone(), reserved.to_uppercase()] {
            let error = parse_id(&given).expect_err("a reserved word");
            assert!(
                matches!(error, TenantIdError::Reserved { word, .. } if word == reserved),
                "{error:?}"
            );
            let message = format!(
                r#"tenant id "{given}" is the reserved word `{reserved}` in lower case with `_` for `-`; {ANOTHER_ID}"#
            );
            assert_eq!(error.to_string(), message);
        }
    }
    refused! { parse_id, ANOTHER_ID;
        "CON" => TenantIdError::Reserved { word: "con", .. },
            r#"tenant id "CON" is the reserved word `con` in lower case with `_` for `-`"#;
        "pg_catalog" => TenantIdError::ReservedPrefix { prefix: "pg_", .. },
            r#"tenant id "pg_catalog" begins with the reserved `pg_` in lower case with `_` for `-`"#;
        "pg_x" => TenantIdError::ReservedPrefix { prefix: "pg_", .. },
            r#"tenant id "pg_x" begins with the reserved `pg_` in lower case with `_` for `-`"#;
        "PG-x" => TenantIdError::ReservedPrefix { prefix: "pg_", .. },
            r#"tenant id "PG-x" begins with the reserved `pg_` in lower case with `_` for `-`"#;
        "sqlite_x" => TenantIdError::ReservedPrefix { prefix: "sqlite_", .. },
            r#"tenant id "sqlite_x" begins with the reserved `sqlite_` in lower case with `_` for `-`"#;
    }
}

#[test]
fn tenant_id_from_bytes_names_the_first_byte_outside_utf8() {
    refused! { TenantId::try_from, ID_RULE;
        &b"TH\xff01"[..] => TenantIdError::NotUtf8 { at: 3, .. },
            r#"tenant id "TH\xff01" is not UTF-8 at byte 3"#;
        &b"\xc3"[..] => TenantIdError::NotUtf8 { at: 1, .. },
            r#"tenant id "\xc3" is not UTF-8 at byte 1"#;
        "TH\u{e9}".as_bytes() => TenantIdError::NonAscii { found: '\u{e9}', at: 3, .. },
            "tenant id \"TH\u{e9}\" has non-ASCII character U+00E9 at character 3, which is not allowed";
        &b""[..] => TenantIdError::Empty, "tenant id is empty";
        OsStr::new("a/b") => TenantIdError::Forbidden { found: '/', at: 2, .. },
            r#"tenant id "a/b" has '/' at character 2, which is not allowed"#;
    }
    assert_eq!(
        TenantId::try_from(&b"TH001"[..])
            .expect("a valid id")
            .as_str(),
        "TH001"
    );
    assert_eq!(
        TenantId::try_from(OsStr::new("TH001"))
            .expect("a valid id")
            .as_str(),
        "TH001"
    );
}

#[cfg(unix)]
#[test]
fn tenant_id_from_the_command_line_names_the_first_byte_outside_utf8() {
    use std::os::unix::ffi::OsStrExt;
    refused! { TenantId::try_from, ID_RULE;
        OsStr::from_bytes(b"TH001\xfe") => TenantIdError::NotUtf8 { at: 6, .. },
            r#"tenant id "TH001\xfe" is not UTF-8 at byte 6"#;
    }
}

#[test]
fn tenant_id_accepts_sql_keywords_and_any_separators_inside() {
    for text in [
        "TH001",
        "TEST_HOSPITAL",
        "city-general",
        "select",
        "user",
        "abc-",
        "a--b",
        "pg",
        "sqlite",
    ] {
        assert_eq!(id(text).as_str(), text);
        assert_eq!(id(text).to_string(), text);
    }
}

#[test]
fn tenant_ids_that_fold_alike_are_one_key() {
    for (left, right) in [("th001", "TH001"), ("TEST-HOSPITAL", "TEST_HOSPITAL")] {
        assert_eq!(id(left), id(right));
        assert_eq!(id(left).folded(), id(right).folded());
        assert_ne!(id(left).as_str(), id(right).as_str());
        assert!(HashSet::from([id(left)]).contains(&id(right)));
        assert!(BTreeSet::from([id(left)]).contains(&id(right)));
    }
}

#[test]
fn display_name_is_visible_text_on_one_line() {
    let (x10000, x64) = ("x".repeat(10_000), "x".repeat(64));
    let (longest, too_long) = ("医".repeat(200), "医".repeat(201));
    refused! { name, NAME_RULE;
        "" => DisplayNameError::Empty, "display name is empty";
        &x10000 => DisplayNameError::TooLong { len: 10_000, .. },
            format!(r#"display name "{x64}"… is too long: 10000 characters"#);
        &too_long => DisplayNameError::TooLong { len: 201, .. },
            format!(r#"display name "{}"… is too long: 201 characters"#, "医".repeat(64));
        "City\0General" => DisplayNameError::ControlCharacter { found: '\0', at: 5, .. },
            r#"display name "City\0General" has control character U+0000 at character 5, which is not allowed"#;
        "医院\nx" => DisplayNameError::ControlCharacter { found: '\n', at: 3, .. },
            r#"display name "医院\nx" has control character U+000A at character 3, which is not allowed"#;
        "\tx" => DisplayNameError::ControlCharacter { found: '\t', at: 1, .. },
            r#"display name "\tx" has control character U+0009 at character 1, which is not allowed"#;
        " \n " => DisplayNameError::WhitespaceAtEnd { found: ' ', at: 1, .. },
            r#"display name " \n " has whitespace U+0020 at character 1, which is one of its ends"#;
        "\r\n" => DisplayNameError::ControlCharacter { found: '\r', at: 1, .. },
            r#"display name "\r\n" has control character U+000D at character 1, which is not allowed"#;
        &format!("{longest}\n") => DisplayNameError::TooLong { len: 201, .. },
            format!(r#"display name "{}"… is too long: 201 characters"#, "医".repeat(64));
        "a\u{85}b" => DisplayNameError::ControlCharacter { found: '\u{85}', at: 2, .. },
            r#"display name "a\u{85}b" has control character U+0085 at character 2, which is not allowed"#;
        "a\u{202e}b" => DisplayNameError::TextDirection { found: '\u{202e}', at: 2, .. },
            r#"display name "a\u{202e}b" has text direction U+202E at character 2, which is not allowed"#;
        "\u{2066}" => DisplayNameError::TextDirection { found: '\u{2066}', at: 1, .. },
            r#"display name "\u{2066}" has text direction U+2066 at character 1, which is not allowed"#;
        " x" => DisplayNameError::WhitespaceAtEnd { found: ' ', at: 1, .. },
            r#"display name " x" has whitespace U+0020 at character 1, which is one of its ends"#;
        "x y\u{3000}" => DisplayNameError::WhitespaceAtEnd { found: '\u{3000}', at: 4, .. },
            r#"display name "x y\u{3000}" has whitespace U+3000 at character 4, which is one of its ends"#;
        "  " => DisplayNameError::Blank { .. }, r#"display name "  " is blank from character 1 on"#;
        "\u{200b}\u{feff}" => DisplayNameError::Blank { .. },
            r#"display name "\u{200b}\u{feff}" is blank from character 1 on"#;
    }
    for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
        assert!(
            matches!(
                name(&format!("a{c}b")),
                Err(DisplayNameError::TextDirection { .. })
            ),
            "{c:?}"
        );
    }
    for text in [
        "x",
        r#"O'Brien & "Söhne" 医院 🏥"#,
        "👩\u{200d}⚕\u{fe0f}",
        "e\u{301}",
        "<b>",
        &longest,
    ] {
        assert_eq!(
            name(text).expect("a valid name").as_str().as_bytes(),
            text.as_bytes()
        );
        assert_eq!(name(text).expect("a valid name").to_string(), text);
    }
}

#[test]
fn csv_cell_never_begins_a_formula() {
    for text in [
        "=HYPERLINK(…)",
        "=HYPERLINK(\"http://x.example\")",
        "+1",
        "-1",
        "@SUM(A1)",
    ] {
        let name = name(text).expect("a valid name");
        assert_eq!(name.as_str(), text);
        assert_eq!(name.csv_safe().to_string(), format!("'{text}"));
    }
    for text in ["\t=1", "\r=1"] {
        assert_eq!(CsvSafe::new(text).to_string(), format!("'{text}"));
    }
    for text in ["", "City General", "a=b", "'x", "1+1"] {
        assert_eq!(CsvSafe::new(text).to_string(), text);
    }
}

#[test]
fn names_travel_through_json_as_checked_strings() {
    assert_eq!(
        serde_json::to_string(&id("TH-001")).expect("writes"),
        r#""TH-001""#
    );
    let read: TenantId = serde_json::from_str(r#""\u0054H-001""#).expect("reads");
    assert_eq!(read.as_str(), "TH-001");
    let key: std::collections::BTreeMap<TenantId, u8> =
        serde_json::from_str(r#"{"TH001": 1}"#).expect("reads");
    assert_eq!(key[&id("th001")], 1);
    let refused = serde_json::from_str::<TenantId>(r#""a/b""#).expect_err("a refused id");
    let message =
        format!(r#"tenant id "a/b" has '/' at character 2, which is not allowed; {ID_RULE}"#);
    assert_eq!(refused.to_string(), message);
    assert!(serde_json::from_str::<TenantId>("1").is_err());

    let subdomain: Subdomain = serde_json::from_str(r#""City-General""#).expect("reads");
    assert_eq!(
        serde_json::to_string(&subdomain).expect("writes"),
        r#""city-general""#
    );
    assert!(serde_json::from_str::<Subdomain>(r#""www""#).is_err());

    let given = r#""O'Brien & \"Söhne\" 医院 🏥""#;
    let name: DisplayName = serde_json::from_str(given).expect("reads");
    assert_eq!(serde_json::to_string(&name).expect("writes"), given);
    assert!(serde_json::from_str::<DisplayName>(r#""a\u0000""#).is_err());
}

/// Any text, and texts near enough to a name to get past the first check.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[A-Za-z][A-Za-z0-9_-]{0,33}",
        "[A-Za-z0-9_. :,-]{0,70}",
        "(con|COM|lpt|pg|sqlite|www|xn-)[0-9_-]{0,2}[a-z]{0,2}",
    ]
}

fn valid_id() -> impl Strategy<Value = TenantId> {
    "[A-Za-z][A-Za-z0-9_-]{1,31}".prop_filter_map("reserved", |text| text.parse().ok())
}

proptest! {
    #[test]
    fn any_text_is_refused_in_bounded_words_or_kept_as_given(text in text()) {
        match parse_id(&text) {
            Ok(id) => {
                prop_assert_eq!(id.as_str(), &text);
                prop_assert_eq!(&id.to_string(), &text);
                let folded = id.folded();
                let folded = folded.as_str();
                prop_assert!(folded.starts_with(|c: char| c.is_ascii_lowercase()));
                prop_assert!(folded.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')));
                prop_assert_eq!(folded.parse::<TenantId>(), Ok(id));
            }
            Err(error) => assert_printable(&error),
        }
        match label(&text) {
            Ok(label) => prop_assert_eq!(label.as_str(), text.to_ascii_lowercase()),
            Err(error) => assert_printable(&error),
        }
        match name(&text) {
            Ok(name) => prop_assert_eq!(name.as_str(), &text),
            Err(error) => assert_printable(&error),
        }
        match BaseDomains::new([&text]) {
            Ok(bases) => prop_assert!(bases.subdomain_of(&text).is_err()),
            Err(error) => assert_printable(&error),
        }
        if let Err(error) = host(&text) {
            assert_printable(&error);
        }
    }

    #[test]
    fn any_bytes_are_refused_in_bounded_words_or_kept_as_given(bytes: Vec<u8>) {
        match TenantId::try_from(&bytes[..]) {
            Ok(id) => prop_assert_eq!(id.as_str().as_bytes(), &bytes),
            Err(error) => assert_printable(&error),
        }
    }

    #[test]
    fn ids_are_equal_exactly_when_their_folded_texts_are(left in valid_id(), right in valid_id()) {
        let (left_text, right_text) = (left.folded(), right.folded());
        prop_assert_eq!(left == right, left_text.as_str() == right_text.as_str());
        prop_assert_eq!(left.cmp(&right), left_text.as_str().cmp(right_text.as_str()));
        let swapped = id(&left.as_str().to_ascii_uppercase().replace('_', "-"));
        prop_assert_eq!(swapped, left);
    }

    #[test]
    fn a_suggested_subdomain_leads_back_to_its_id(id in valid_id(), port in 1..=u16::MAX) {
        if let Some(subdomain) = id.suggested_subdomain() {
            let header = format!("{}.EXAMPLE.com.:{port}", subdomain.as_str().to_uppercase());
            prop_assert_eq!(host(&header), Ok(subdomain.clone()));
            prop_assert_eq!(subdomain.as_str().parse::<TenantId>(), Ok(id));
        }
    }
}
