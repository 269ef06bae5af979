//! What a definition says beyond what the pragmas tell: checks, generated columns, collations, and the text of each
//! part, so that a table can be put together anew.
//!
//! Two texts that mean the same have one [`normal`] form: comments, white space, the case of keywords and names, and
//! quotes around names that need none do not count.
use crate::migrate::{Dialect, Kind, Tokens};

/// One token of a definition, without spaces and comments.
#[derive(Debug, Clone)]
struct Token {
    normal: String,
    is_word: bool,
    start: usize,
    end: usize,
}

impl Token {
    fn is(&self, keyword: &str) -> bool {
        self.is_word && self.normal == keyword
    }
}

fn tokens(sql: &str) -> Vec<Token> {
    let mut at = 0;
    let mut all = Vec::new();
    for token in Tokens::new(sql, Dialect::Sqlite) {
        let start = at;
        at += token.text.len();
        let normal = match token.kind {
            Kind::Space | Kind::Comment => continue,
            Kind::Word => token.text.to_ascii_lowercase(),
            Kind::Quoted => {
                let name = unquoted(token.text).to_ascii_lowercase();
                match is_plain(&name) {
                    true => name,
                    false => quote(&name),
                }
            }
            _ => token.text.to_owned(),
        };
        // The scanner gives `1.5`, `<>` and `x'00'` in pieces.
        if let Some(last) = all.last_mut()
            && belongs_to(last, &normal, token.kind, start)
        {
            last.normal.push_str(&normal);
            last.end = at;
            continue;
        }
        all.push(Token {
            normal,
            is_word: token.kind == Kind::Word,
            start,
            end: at,
        });
    }
    all
}

/// Whether a piece that follows a token without a space is the rest of it.
fn belongs_to(last: &Token, piece: &str, kind: Kind, start: usize) -> bool {
    const OPERATORS: [char; 7] = ['<', '>', '=', '!', '|', '-', '&'];
    let is_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let is_number = is_digit(&last.normal);
    let is_operator = |text: &str| text.chars().all(|c| OPERATORS.contains(&c));
    let joined = format!("{}{piece}", last.normal);
    last.end == start
        && match kind {
            Kind::Text => last.is_word && last.normal == "x",
            // `.5` is a number, the `.` in `t.a` is not.
            Kind::Word => is_number || (last.normal == "." && is_digit(piece)),
            _ if piece == "." => is_number && last.is_word,
            _ => {
                is_operator(&last.normal)
                    && ["<>", "<=", ">=", "!=", "==", "||", "<<", ">>", "->", "->>"]
                        .contains(&joined.as_str())
            }
        }
}

/// An identifier in quotes, whatever is in it.
pub(super) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn unquoted(text: &str) -> String {
    let inner = &text[1..text.len().saturating_sub(1).max(1)];
    match text.as_bytes()[0] {
        b'[' => inner.to_owned(),
        quote => {
            let quote = char::from(quote);
            inner.replace(&String::from_iter([quote, quote]), &quote.to_string())
        }
    }
}

fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The form that two texts with one meaning share. Parentheses around the whole do not count.
pub(super) fn normal(sql: &str) -> String {
    join(inside(&tokens(sql)))
}

fn join(tokens: &[Token]) -> String {
    let words: Vec<&str> = tokens.iter().map(|token| token.normal.as_str()).collect();
    words.join(" ")
}

/// Without parentheses that hold everything.
fn inside(mut tokens: &[Token]) -> &[Token] {
    while tokens.first().is_some_and(|first| first.normal == "(")
        && closing(tokens, 0) == Some(tokens.len() - 1)
    {
        tokens = &tokens[1..tokens.len() - 1];
    }
    tokens
}

/// Where the parenthesis that opens at `open` is closed.
fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.normal.as_str() {
            "(" => depth += 1,
            ")" if depth == 1 => return Some(at),
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The parts between the commas that stand in no parentheses.
fn parts(tokens: &[Token]) -> Vec<&[Token]> {
    let mut all = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < tokens.len() {
        match tokens[at].normal.as_str() {
            "(" => at = closing(tokens, at).unwrap_or(tokens.len() - 1),
            "," => {
                all.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    all.push(&tokens[start..]);
    all
}

/// A text as it was written, with its white space evened out.
fn written(sql: &str, tokens: &[Token]) -> String {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return String::new();
    };
    let mut text = String::new();
    let mut end = first.start;
    for token in tokens {
        if token.start > end {
            text.push(' ');
        }
        text.push_str(&sql[token.start..token.end]);
        end = token.end;
    }
    debug_assert_eq!(end, last.end);
    text
}

/// A column of a `CREATE TABLE`.
#[derive(Debug, Clone)]
pub(super) struct ColumnText {
    /// In lower case.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) generated: Option<String>,
    pub(super) collation: Option<String>,
}

/// A `CHECK` of a table, normal and as written, and the column whose definition it stands in.
#[derive(Debug, Clone)]
pub(super) struct CheckText {
    pub(super) normal: String,
    pub(super) text: String,
    pub(super) column: Option<String>,
}

/// A `CREATE TABLE` taken apart.
#[derive(Debug, Clone, Default)]
pub(super) struct TableText {
    pub(super) columns: Vec<ColumnText>,
    /// The table's own constraints, as written.
    pub(super) constraints: Vec<String>,
    /// What stands after the closing parenthesis, as written.
    pub(super) options: String,
    pub(super) checks: Vec<CheckText>,
    /// The columns of each foreign key that is checked at the commit only.
    pub(super) deferred: Vec<Vec<String>>,
    pub(super) autoincrement: bool,
}

/// Takes a `CREATE TABLE` apart. Nothing comes of a virtual table or a `CREATE TABLE … AS`, which SQLite never stores.
pub(super) fn table(sql: &str) -> TableText {
    let tokens = tokens(sql);
    let mut table = TableText::default();
    let Some(open) = tokens.iter().position(|token| token.normal == "(") else {
        return table;
    };
    let Some(close) = closing(&tokens, open) else {
        return table;
    };
    table.options = written(sql, &tokens[close + 1..]);
    for part in parts(&tokens[open + 1..close]) {
        let Some(first) = part.first() else { continue };
        let starts = ["constraint", "primary", "unique", "check", "foreign"];
        let column = match starts.iter().any(|keyword| first.is(keyword)) {
            true => None,
            false => Some(bare(&first.normal)),
        };
        read_part(sql, part, column.as_deref(), &mut table);
        match column {
            None => table.constraints.push(written(sql, part)),
            Some(name) => table.columns.push(ColumnText {
                name,
                text: written(sql, part),
                generated: clause(part, "as").map(|tokens| written(sql, tokens)),
                collation: after(part, "collate"),
            }),
        }
    }
    table
}

fn read_part(sql: &str, part: &[Token], column: Option<&str>, table: &mut TableText) {
    let mut at = 0;
    let mut keys: Option<Vec<String>> = column.map(|column| vec![column.to_owned()]);
    let mut refers = false;
    while at < part.len() {
        let token = &part[at];
        if token.normal == "(" {
            at = closing(part, at).unwrap_or(part.len() - 1);
        } else if token.is("check")
            && let Some(close) = closing(part, at + 1)
        {
            let check = inside(&part[at + 1..=close]);
            table.checks.push(CheckText {
                normal: join(check),
                text: written(sql, check),
                column: column.map(str::to_owned),
            });
            at = close;
        } else if token.is("foreign")
            && let Some(close) = closing(part, at + 2)
        {
            let columns = parts(&part[at + 3..close]);
            keys = Some(columns.iter().map(|column| bare(&join(column))).collect());
            at = close;
        } else if token.is("references") {
            refers = true;
        } else if token.is("deferrable")
            && refers
            && !part[at - 1].is("not")
            && part.get(at + 2).is_some_and(|token| token.is("deferred"))
        {
            table.deferred.extend(keys.clone());
        } else if token.is("autoincrement") {
            table.autoincrement = true;
        }
        at += 1;
    }
}

/// What stands in the parentheses after a keyword that itself stands in none.
fn clause<'a>(part: &'a [Token], keyword: &str) -> Option<&'a [Token]> {
    let mut at = 0;
    while at < part.len() {
        if part[at].normal == "(" {
            at = closing(part, at)?;
        } else if part[at].is(keyword) && part.get(at + 1)?.normal == "(" {
            return Some(inside(&part[at + 1..=closing(part, at + 1)?]));
        }
        at += 1;
    }
    None
}

/// The token after a keyword that stands in no parentheses.
fn after(part: &[Token], keyword: &str) -> Option<String> {
    let mut at = 0;
    while at < part.len() {
        if part[at].normal == "(" {
            at = closing(part, at)?;
        } else if part[at].is(keyword) {
            return part.get(at + 1).map(|token| bare(&token.normal));
        }
        at += 1;
    }
    None
}

/// A name without the quotes that its normal form may have.
fn bare(normal: &str) -> String {
    match normal.starts_with('"') && normal.len() > 1 {
        true => unquoted(normal),
        false => normal.to_owned(),
    }
}

/// The expressions of a `CREATE INDEX`, by their places, and what stands after its WHERE.
pub(super) fn index(sql: &str) -> (Vec<String>, Option<String>) {
    let tokens = tokens(sql);
    let Some(open) = tokens.iter().position(|token| token.normal == "(") else {
        return (Vec::new(), None);
    };
    let Some(close) = closing(&tokens, open) else {
        return (Vec::new(), None);
    };
    let expression = |part: &[Token]| {
        let mut part = part;
        if part
            .last()
            .is_some_and(|last| last.is("asc") || last.is("desc"))
        {
            part = &part[..part.len() - 1];
        }
        if let [rest @ .., keyword, _] = part
            && keyword.is("collate")
        {
            part = rest;
        }
        join(inside(part))
    };
    let expressions = parts(&tokens[open + 1..close]).into_iter().map(expression);
    let filter = match &tokens[close + 1..] {
        [keyword, rest @ ..] if keyword.is("where") => Some(join(inside(rest))),
        _ => None,
    };
    (expressions.collect(), filter)
}

/// What changes rows in a script, by its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowChange {
    /// `UPDATE table SET columns …`
    Update { table: String, columns: Vec<String> },
    /// `INSERT INTO table …`
    Insert { table: String },
    /// Anything else that is no definition.
    Other,
}

/// What a statement does to rows; `None` for definitions and questions.
pub(super) fn row_change(sql: &str) -> Option<RowChange> {
    let tokens = tokens(sql);
    let first = tokens.first()?;
    if [
        "create", "alter", "drop", "reindex", "analyze", "pragma", "select",
    ]
    .iter()
    .any(|keyword| first.is(keyword))
    {
        return None;
    }
    let mut rest = &tokens[1..];
    if let [or, _, more @ ..] = rest
        && or.is("or")
    {
        rest = more;
    }
    match rest {
        [into, table, ..] if first.is("insert") && into.is("into") => Some(RowChange::Insert {
            table: bare(&table.normal),
        }),
        [table, set, assignments @ ..] if first.is("update") && set.is("set") => {
            Some(update(bare(&table.normal), assignments))
        }
        _ => Some(RowChange::Other),
    }
}

fn update(table: String, assignments: &[Token]) -> RowChange {
    let mut at = 0;
    while at < assignments.len() {
        match assignments[at].normal.as_str() {
            "(" => at = closing(assignments, at).unwrap_or(assignments.len() - 1),
            // What is updated from elsewhere may depend on what has changed since.
            "from" | "order" | "limit" | "returning" => return RowChange::Other,
            "where" | ";" => break,
            _ => {}
        }
        at += 1;
    }
    let mut columns = Vec::new();
    for part in parts(&assignments[..at]) {
        match part {
            [column, equals, ..] if equals.normal == "=" => columns.push(bare(&column.normal)),
            _ => return RowChange::Other,
        }
    }
    RowChange::Update { table, columns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_meaning_is_evened_out() {
        let same = [
            "a  >  0",
            "(A>0)",
            "\"a\" > 0 -- positive",
            "/* x */ ( ( [a] > 0 ) )",
            "`A`\n>\t0",
        ];
        for text in same {
            assert_eq!(normal(text), "a > 0", "{text}");
        }
        assert_eq!(normal("(a) + (b)"), "( a ) + ( b )");
        // Strings keep their case and spaces, names that need quotes keep them.
        assert_eq!(normal("x = 'A  B'"), "x = 'A  B'");
        assert_ne!(normal("\"a b\""), normal("a b"));
        // What is one token stays one, so that a normal form is still SQL.
        assert_eq!(
            normal("a<>1.50 AND b>=.5||X'0f'"),
            "a <> 1.50 and b >= .5 || x'0f'"
        );
        assert_eq!(normal("t.a=-1"), "t . a = - 1");
    }

    #[test]
    fn a_table_is_taken_apart() {
        let table = table(
            "CREATE TABLE \"t\" (
                id INTEGER PRIMARY KEY AUTOINCREMENT, -- a comment, with a comma
                \"Check\" TEXT DEFAULT ('a,b') CHECK (length(\"Check\") < 5) COLLATE NOCASE,
                sum INT GENERATED ALWAYS AS (id + 1) STORED,
                up BLOB REFERENCES u (id) DEFERRABLE INITIALLY DEFERRED,
                CONSTRAINT \"big\" CHECK ((id > 0)),
                FOREIGN KEY (id, sum) REFERENCES v (a, b) ON DELETE CASCADE NOT DEFERRABLE
             ) STRICT",
        );
        let names: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["id", "check", "sum", "up"]);
        assert_eq!(table.columns[1].collation.as_deref(), Some("nocase"));
        assert_eq!(table.columns[2].generated.as_deref(), Some("id + 1"));
        assert_eq!(
            table.columns[3].text,
            "up BLOB REFERENCES u (id) DEFERRABLE INITIALLY DEFERRED"
        );
        let checks: Vec<_> = table.checks.iter().map(|c| c.normal.as_str()).collect();
        assert_eq!(checks, ["length ( check ) < 5", "id > 0"]);
        assert_eq!(table.checks[0].column.as_deref(), Some("check"));
        assert_eq!(table.deferred, [["up"]]);
        assert!(table.autoincrement);
        assert_eq!(table.options, "STRICT");
        assert_eq!(table.constraints.len(), 2);
    }

    #[test]
    fn an_index_is_taken_apart() {
        assert_eq!(
            index("CREATE INDEX i ON t (lower(Name) COLLATE NOCASE DESC, b ASC) WHERE (b > 0)"),
            (
                vec!["lower ( name )".to_owned(), "b".to_owned()],
                Some("b > 0".to_owned())
            )
        );
    }

    #[test]
    fn only_simple_changes_of_rows_are_understood() {
        let update = |columns: &[&str]| {
            Some(RowChange::Update {
                table: "t".to_owned(),
                columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            })
        };
        assert_eq!(
            row_change("UPDATE t SET a = b, c = (1, 2) WHERE x"),
            update(&["a", "c"])
        );
        assert_eq!(
            row_change("UPDATE OR IGNORE \"T\" SET a = 1;"),
            update(&["a"])
        );
        assert_eq!(
            row_change("UPDATE t SET a = 1 FROM u"),
            Some(RowChange::Other)
        );
        assert_eq!(
            row_change("UPDATE t SET (a, b) = (1, 2)"),
            Some(RowChange::Other)
        );
        let table = "t".to_owned();
        assert_eq!(
            row_change("INSERT OR IGNORE INTO t VALUES (1)"),
            Some(RowChange::Insert { table })
        );
        for other in [
            "DELETE FROM t",
            "REPLACE INTO t VALUES (1)",
            "WITH a AS (SELECT 1) UPDATE t SET a = 1",
        ] {
            assert_eq!(row_change(other), Some(RowChange::Other), "{other}");
        }
        assert_eq!(row_change("ALTER TABLE t ADD COLUMN a"), None);
        assert_eq!(row_change("-- nothing"), None);
    }
}
