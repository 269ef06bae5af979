//! The text of a statement, as far as it may be shown.
use std::iter::Peekable;
use std::str::Chars;

/// What stands in the place of what is not shown.
const HIDDEN: char = '…';

/// The text of a statement as Diesel prints it, without its bind values, and without what could be a value: a statement put
/// together by hand may hold a patient's name or number, and SQLite takes a text in double quotes for a name or a value as
/// it sees fit. Names in backticks, as Diesel writes them, are shown.
pub(super) fn sql_only(printed: &str) -> String {
    // A literal could hold these words, too. Then more is cut off than need be, never less.
    let sql = printed.split(" -- binds: ").next().unwrap_or_default();
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql.chars().peekable();
    // A digit within a name is none of a number.
    let mut in_word = false;
    while let Some(next) = rest.next() {
        let was_in_word = std::mem::replace(&mut in_word, is_of_word(next));
        match next {
            '\'' | '"' => {
                skip_quoted(&mut rest, next);
                out.extend([next, HIDDEN, next]);
            }
            '`' => {
                out.push(next);
                for inside in rest.by_ref() {
                    out.push(inside);
                    if inside == '`' {
                        break;
                    }
                }
            }
            '-' if rest.next_if_eq(&'-').is_some() => {
                while rest.next_if(|c| *c != '\n').is_some() {}
                out.extend(['-', '-', HIDDEN]);
            }
            '/' if rest.next_if_eq(&'*').is_some() => {
                let mut last = ' ';
                for inside in rest.by_ref() {
                    if last == '*' && inside == '/' {
                        break;
                    }
                    last = inside;
                }
                out.extend(['/', '*', HIDDEN, '*', '/']);
            }
            // With all that can belong to one: `0x1F`, `1_000`, `6.02e23`.
            '0'..='9' if !was_in_word => {
                let mut last = next;
                while let Some(more) = rest.next_if(|c| {
                    is_of_word(*c)
                        || *c == '.'
                        || (matches!(last, 'e' | 'E') && matches!(c, '+' | '-'))
                }) {
                    last = more;
                }
                out.push(HIDDEN);
                in_word = true;
            }
            other => out.push(other),
        }
    }
    out
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Up to the quote that ends it. One within it is written twice, which opens another literal at once.
fn skip_quoted(rest: &mut Peekable<Chars<'_>>, quote: char) {
    for inside in rest.by_ref() {
        if inside == quote {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_binds_nor_literals_are_printed() {
        for (printed, expected) in [
            (
                "SELECT `a1` FROM `t` WHERE `b` = ? -- binds: [\"Ada\"]",
                "SELECT `a1` FROM `t` WHERE `b` = ?",
            ),
            ("SELECT 'Ada''s' -- binds: []", "SELECT '…''…'"),
            (
                "INSERT INTO t VALUES ('x -- binds: [', 'Ada')",
                "INSERT INTO t VALUES ('…'",
            ),
            ("SELECT 'Ada", "SELECT '…'"),
            (
                "SELECT \"Ada\", x'414441' FROM t2",
                "SELECT \"…\", x'…' FROM t2",
            ),
            (
                "SELECT n FROM t WHERE born=19370412 AND w>-61.5e-3 OR h = 0x1F LIMIT 1",
                "SELECT n FROM t WHERE born=… AND w>-… OR h = … LIMIT …",
            ),
            ("SELECT 1;.5,1_0.e+3 c_2", "SELECT …;.…,… c_2"),
            (
                "SELECT a -- Ada 1937\nFROM t /* Ada\n* '1937' */ WHERE b = $1",
                "SELECT a --…\nFROM t /*…*/ WHERE b = $1",
            ),
            ("SELECT a /* Ada", "SELECT a /*…*/"),
            ("SELECT a - b / c * `d -- e`", "SELECT a - b / c * `d -- e`"),
            ("", ""),
        ] {
            assert_eq!(sql_only(printed), expected);
        }
    }
}
