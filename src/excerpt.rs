//! How a refused name is shown in the error that refuses it.

use std::ascii;
use std::fmt;

/// The beginning of a text that was refused, safe to print.
///
/// Displays as `"text"`, with control characters, invisible characters, `"` and `\` written as escapes, so that it can
/// neither break a log line nor reorder it. At most 64 characters stand between the quotes, escapes counted as
/// written; a `…` after the closing quote says that more was given. Takes the same memory for a text of any length.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt {
    escaped: Box<str>,
    cut: bool,
}

impl Excerpt {
    /// The most characters between the quotes.
    const MAX_CHARS: usize = 64;

    /// Takes the beginning of `text`.
    pub(crate) fn of(text: &str) -> Self {
        Self::collect(text.chars().map(Piece::Char))
    }

    /// Takes the beginning of `bytes`; a byte that is not UTF-8 is shown as `\xff`.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self::collect(bytes.utf8_chunks().flat_map(|chunk| {
            let valid = chunk.valid().chars().map(Piece::Char);
            valid.chain(chunk.invalid().iter().copied().map(Piece::Byte))
        }))
    }

    fn collect(pieces: impl Iterator<Item = Piece>) -> Self {
        let mut escaped = String::new();
        let mut chars = 0;
        for piece in pieces {
            let start = escaped.len();
            match piece {
                // `escape_debug` escapes both kinds of quote; only the double one delimits an excerpt.
                Piece::Char('\'') => escaped.push('\''),
                Piece::Char(c) => escaped.extend(c.escape_debug()),
                Piece::Byte(b) => escaped.extend(ascii::escape_default(b).map(char::from)),
            }
            chars += escaped[start..].chars().count();
            if chars > Self::MAX_CHARS {
                // Half an escape would read as something else that was never given.
                escaped.truncate(start);
                return Self {
                    escaped: escaped.into(),
                    cut: true,
                };
            }
        }
        Self {
            escaped: escaped.into(),
            cut: false,
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"{}", self.escaped, if self.cut { "…" } else { "" })
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

enum Piece {
    Char(char),
    Byte(u8),
}

/// Displays one refused character: `'/'` where it is printable ASCII, `U+04BB` where its looks would mislead.
pub(crate) struct Character(pub(crate) char);

impl fmt::Display for Character {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_ascii_graphic() {
            write!(f, "'{}'", self.0)
        } else {
            write!(f, "U+{:04X}", u32::from(self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_is_shown_as_given() {
        assert_eq!(
            Excerpt::of("O'Brien & Söhne 医院").to_string(),
            "\"O'Brien & Söhne 医院\""
        );
    }

    #[test]
    fn what_could_break_or_reorder_a_line_is_escaped() {
        let rows = [
            ("a\0\r\n\t\u{1b}[31m\u{85}", r"a\0\r\n\t\u{1b}[31m\u{85}"),
            (r#""\"#, r#"\"\\"#),
            ("\u{202e}\u{2066}\u{200b}", r"\u{202e}\u{2066}\u{200b}"),
            ("\u{2028}\u{feff}e\u{301}", r"\u{2028}\u{feff}e\u{301}"),
        ];
        for (given, shown) in rows {
            assert_eq!(Excerpt::of(given).to_string(), format!("\"{shown}\""));
        }
    }

    #[test]
    fn sixty_four_characters_are_shown_and_no_more() {
        let full = "é".repeat(64);
        assert_eq!(Excerpt::of(&full).to_string(), format!("\"{full}\""));
        assert_eq!(
            Excerpt::of(&format!("{full}x")).to_string(),
            format!("\"{full}\"…")
        );
    }

    #[test]
    fn an_escape_is_shown_whole_or_not_at_all() {
        let given = format!("{}\u{1b}", "a".repeat(60));
        assert_eq!(
            Excerpt::of(&given).to_string(),
            format!("\"{}\"…", "a".repeat(60))
        );
        let given = "\0".repeat(33);
        assert_eq!(
            Excerpt::of(&given).to_string(),
            format!("\"{}\"…", r"\0".repeat(32))
        );
    }

    #[test]
    fn bytes_outside_utf8_are_shown_in_hexadecimal() {
        assert_eq!(
            Excerpt::of_bytes(b"T\xffH\xc3").to_string(),
            r#""T\xffH\xc3""#
        );
        assert_eq!(
            Excerpt::of_bytes(&[0xff; 100]).to_string(),
            format!("\"{}\"…", r"\xff".repeat(16))
        );
    }

    #[test]
    fn a_misleading_character_is_named_by_its_code_point() {
        assert_eq!(Character('\'').to_string(), "'''");
        assert_eq!(Character(' ').to_string(), "U+0020");
        assert_eq!(Character('һ').to_string(), "U+04BB");
        assert_eq!(Character('\u{1f3e5}').to_string(), "U+1F3E5");
    }
}
