//! A small SQL scanner: it splits a migration into statements and names what must not be in one.
//!
//! What matters is to agree with the database on which characters are code and where a statement ends; a scanner that
//! reads on in a string while the database has left it would let a `COMMIT` through. So the lexical rules are those of
//! the engine the script is for, and a parameter, after which SQLite reads Tcl-like suffixes, is refused altogether.
use std::fmt;

/// Tables with this prefix are the library's own.
const LIBRARY_PREFIX: &str = "__tenants_";

/// Whose lexical rules a script is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// SQLite: `` ` `` and `[]` quote identifiers too, comments do not nest, triggers have a body.
    Sqlite,
    /// PostgreSQL: `$tag$…$tag$` and `E'…'` strings, nested comments, functions with `BEGIN ATOMIC … END`.
    Postgres,
}

/// What a migration must not contain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForbiddenStatement {
    /// `BEGIN`, `COMMIT`, `END`, `ROLLBACK`, `SAVEPOINT`, `RELEASE` and their synonyms.
    Transaction(&'static str),
    /// `ATTACH` or `DETACH`.
    OtherDatabase(&'static str),
    /// `VACUUM`.
    Vacuum,
    /// A `PRAGMA`, by its name in lower case, whose effect is not part of the transaction.
    Pragma(String),
    /// The name of an object that belongs to this library.
    LibraryObject(String),
    /// A placeholder such as `?1` or `$name`, which nothing would be bound to.
    Parameter(String),
}

impl ForbiddenStatement {
    /// What to do instead, as the second half of a sentence.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Transaction(_) => {
                "remove it, each migration is run in a transaction of its own together with its ledger row"
            }
            Self::OtherDatabase(_) => "remove it, a migration changes one database",
            Self::Vacuum => "remove it, it cannot run in a transaction",
            Self::Pragma(name) if name == "foreign_keys" => {
                "it has no effect in a transaction; set `run_in_transaction = false` in the migration's \
                 `metadata.toml` instead, which turns foreign keys off around it and checks them before the commit"
            }
            Self::Pragma(_) => {
                "remove it, it acts on the connection or the file and not on the transaction"
            }
            Self::LibraryObject(_) => "rename it, names that begin with `__tenants_` are reserved",
            Self::Parameter(_) => "write the value, a migration has no parameters",
        }
    }
}

impl fmt::Display for ForbiddenStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction(keyword) | Self::OtherDatabase(keyword) => f.write_str(keyword),
            Self::Vacuum => f.write_str("VACUUM"),
            Self::Pragma(name) => write!(f, "PRAGMA {name}"),
            Self::LibraryObject(name) => write!(f, "the name {name}"),
            Self::Parameter(text) => write!(f, "the parameter {text}"),
        }
    }
}

/// Why a script is refused without being run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Objection {
    Empty,
    Unterminated {
        what: &'static str,
        line: usize,
    },
    Forbidden {
        statement: ForbiddenStatement,
        line: usize,
    },
}

/// Reads a whole script and stops at the first objection.
pub(super) fn inspect(sql: &str, dialect: Dialect) -> Result<(), Objection> {
    let mut line = 1;
    for token in Tokens::new(sql, dialect) {
        if !token.closed {
            let what = token.kind.noun();
            return Err(Objection::Unterminated { what, line });
        }
        line += token.newlines();
    }
    let mut empty = true;
    for statement in statements(sql, dialect) {
        if let Some((statement, line)) = statement.forbidden() {
            return Err(Objection::Forbidden { statement, line });
        }
        empty &= statement.is_empty();
    }
    if empty { Err(Objection::Empty) } else { Ok(()) }
}

/// Splits a script into its statements, whose texts, put together, are the script again.
///
/// Knows the bodies of triggers and functions, and never fails: what is not SQL comes back as it was.
///
/// # Example
/// ```
/// use diesel_tenants::migrate::{Dialect, statements};
///
/// let script = "CREATE TABLE a (id INTEGER); -- one; two\nDROP TABLE b";
/// let texts: Vec<_> = statements(script, Dialect::Sqlite).iter().map(|s| s.text()).collect();
/// assert_eq!(texts, ["CREATE TABLE a (id INTEGER);", " -- one; two\nDROP TABLE b"]);
/// ```
pub fn statements(sql: &str, dialect: Dialect) -> Vec<Statement<'_>> {
    let mut all = Vec::new();
    let mut current = Vec::new();
    let (mut start, mut end, mut line) = (0, 0, 1);
    for token in Tokens::new(sql, dialect) {
        let placed = Placed { token, line };
        line += token.newlines();
        end += token.text.len();
        match token.kind {
            Kind::Space | Kind::Comment => {}
            Kind::Semicolon if !in_body(&current, dialect) => {
                let tokens = std::mem::take(&mut current);
                all.push(Statement {
                    text: &sql[start..end],
                    tokens,
                    dialect,
                });
                start = end;
            }
            _ => current.push(placed),
        }
    }
    if start < end {
        all.push(Statement {
            text: &sql[start..],
            tokens: current,
            dialect,
        });
    }
    all
}

/// Whether a `;` after these tokens is inside the body of a trigger or function.
fn in_body(statement: &[Placed<'_>], dialect: Dialect) -> bool {
    let word = |index: usize| statement.get(index).map_or("", |placed| placed.word());
    if !word(0).eq_ignore_ascii_case("CREATE") {
        return false;
    }
    match dialect {
        Dialect::Sqlite => {
            let is_temporary = ["TEMP", "TEMPORARY"]
                .iter()
                .any(|temp| word(1).eq_ignore_ascii_case(temp));
            if !word(1 + usize::from(is_temporary)).eq_ignore_ascii_case("TRIGGER") {
                return false;
            }
            // `END` closes the body only as the first word after a `;`. That keeps the `END` of a `CASE` apart, and a
            // column of that name: it is no reserved word.
            !matches!(
                statement,
                [.., semicolon, end] if semicolon.token.kind == Kind::Semicolon && end.is("END")
            )
        }
        Dialect::Postgres => {
            let mut depth = 0_usize;
            for (index, placed) in statement.iter().enumerate() {
                let opens_body =
                    placed.is("BEGIN") && word(index + 1).eq_ignore_ascii_case("ATOMIC");
                if opens_body || (depth > 0 && placed.is("CASE")) {
                    depth += 1;
                } else if depth > 0 && placed.is("END") {
                    depth -= 1;
                }
            }
            depth > 0
        }
    }
}

/// One statement of a script. Made by [`statements`].
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    pub(crate) text: &'a str,
    /// Without spaces, comments and the `;` that ends it.
    tokens: Vec<Placed<'a>>,
    dialect: Dialect,
}

impl<'a> Statement<'a> {
    /// The statement with the spaces and comments before it and the `;` that ends it.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Whether it is only spaces, comments and a `;`.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The first thing in it that a migration must not contain, and the line of the script it stands on, from 1.
    pub fn forbidden(&self) -> Option<(ForbiddenStatement, usize)> {
        let first = self.tokens.first()?;
        if let Some(statement) = self.forbidden_kind() {
            return Some((statement, first.line));
        }
        self.tokens.iter().find_map(|placed| {
            let text = placed.token.text;
            let statement = match placed.token.kind {
                Kind::Parameter => ForbiddenStatement::Parameter(text.to_owned()),
                // SQLite takes a string for an identifier where it needs one.
                _ if is_library_name(&placed.name()) => {
                    ForbiddenStatement::LibraryObject(placed.name())
                }
                _ => return None,
            };
            Some((statement, placed.line))
        })
    }

    fn forbidden_kind(&self) -> Option<ForbiddenStatement> {
        use ForbiddenStatement::{OtherDatabase, Pragma, Transaction, Vacuum};

        let keyword = self.tokens.first()?.word().to_ascii_uppercase();
        Some(match (keyword.as_str(), self.dialect) {
            ("BEGIN", _) => Transaction("BEGIN"),
            ("COMMIT", _) => Transaction("COMMIT"),
            ("END", _) => Transaction("END"),
            ("ROLLBACK", _) => Transaction("ROLLBACK"),
            ("SAVEPOINT", _) => Transaction("SAVEPOINT"),
            ("RELEASE", _) => Transaction("RELEASE"),
            ("START", Dialect::Postgres) => Transaction("START TRANSACTION"),
            ("ABORT", Dialect::Postgres) => Transaction("ABORT"),
            ("PREPARE", Dialect::Postgres) if self.tokens.get(1)?.is("TRANSACTION") => {
                Transaction("PREPARE TRANSACTION")
            }
            ("ATTACH", Dialect::Sqlite) => OtherDatabase("ATTACH"),
            ("DETACH", Dialect::Sqlite) => OtherDatabase("DETACH"),
            ("VACUUM", _) => Vacuum,
            ("PRAGMA", Dialect::Sqlite) => {
                let name = self.pragma_name()?;
                if HARMLESS_PRAGMAS.contains(&name.as_str()) {
                    return None;
                }
                Pragma(name)
            }
            _ => return None,
        })
    }

    /// `PRAGMA [schema.]name …`: the name may be quoted in any way.
    fn pragma_name(&self) -> Option<String> {
        let qualified = self.tokens.get(2).is_some_and(|dot| dot.token.text == ".");
        let name = self.tokens.get(if qualified { 3 } else { 1 })?;
        Some(name.name().to_ascii_lowercase())
    }
}

/// The pragmas that are part of the transaction or only read. Every other one outlives it, on the connection or in
/// the file, or does nothing inside it.
const HARMLESS_PRAGMAS: [&str; 7] = [
    "application_id",
    "defer_foreign_keys",
    "foreign_key_check",
    "integrity_check",
    "optimize",
    "quick_check",
    "user_version",
];

fn is_library_name(name: &str) -> bool {
    name.get(..LIBRARY_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(LIBRARY_PREFIX))
}

/// A token and the line it begins on, counted from 1.
#[derive(Clone, Copy, Debug)]
struct Placed<'a> {
    token: Token<'a>,
    line: usize,
}

impl<'a> Placed<'a> {
    /// A bare word. Empty for everything else: keywords cannot be quoted.
    fn word(&self) -> &'a str {
        match self.token.kind {
            Kind::Word => self.token.text,
            _ => "",
        }
    }

    fn is(&self, keyword: &str) -> bool {
        self.word().eq_ignore_ascii_case(keyword)
    }

    /// The word, or what stands between the quotes.
    fn name(&self) -> String {
        let text = self.token.text;
        match (self.token.kind, text.chars().next()) {
            (Kind::Quoted | Kind::Text, Some(quote @ ('\'' | '"' | '`'))) => {
                let inner = text.strip_prefix(quote).unwrap_or(text);
                let inner = inner.strip_suffix(quote).unwrap_or(inner);
                inner.replace(&String::from_iter([quote, quote]), &quote.to_string())
            }
            (Kind::Quoted, Some('[')) => text.trim_matches(['[', ']']).to_owned(),
            _ => text.to_owned(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Space,
    Comment,
    Semicolon,
    /// Keywords, bare identifiers and the digits of numbers.
    Word,
    /// An identifier in quotes.
    Quoted,
    /// A string.
    Text,
    Parameter,
    Other,
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::Quoted => "quoted identifier",
            _ => "string",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// False where the script ends before the comment, identifier or string does.
    closed: bool,
}

impl Token<'_> {
    fn newlines(&self) -> usize {
        self.text.bytes().filter(|byte| *byte == b'\n').count()
    }
}

pub(crate) struct Tokens<'a> {
    rest: &'a str,
    dialect: Dialect,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(sql: &'a str, dialect: Dialect) -> Self {
        Self { rest: sql, dialect }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (kind, length) = measure(self.rest, self.dialect);
        let (text, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = rest;
        Some(Token {
            kind,
            text,
            closed: length.is_some(),
        })
    }
}

/// Kind and length of the first token; no length where it is not closed.
///
/// Every byte that decides is ASCII, so that a length never ends inside a character.
fn measure(sql: &str, dialect: Dialect) -> (Kind, Option<usize>) {
    use Dialect::{Postgres, Sqlite};

    let bytes = sql.as_bytes();
    let run = |belongs: fn(u8) -> bool| Some(bytes.iter().take_while(|b| belongs(**b)).count());
    match (bytes[0], bytes.get(1), dialect) {
        (b';', ..) => (Kind::Semicolon, Some(1)),
        (byte, ..) if is_space(byte) => (Kind::Space, run(is_space)),
        (b'-', Some(b'-'), _) => {
            // To SQLite a lone carriage return is part of the comment.
            let end = sql.find(|c| c == '\n' || (c == '\r' && dialect == Postgres));
            (Kind::Comment, Some(end.unwrap_or(sql.len())))
        }
        (b'/', Some(b'*'), Sqlite) => (Kind::Comment, sql[2..].find("*/").map(|at| at + 4)),
        (b'/', Some(b'*'), Postgres) => (Kind::Comment, nested_comment(sql)),
        (b'\'', ..) => (Kind::Text, quoted(sql, b'\'')),
        (b'"', ..) => (Kind::Quoted, quoted(sql, b'"')),
        (b'`', _, Sqlite) => (Kind::Quoted, quoted(sql, b'`')),
        (b'[', _, Sqlite) => (Kind::Quoted, sql.find(']').map(|at| at + 1)),
        (b'E' | b'e', Some(b'\''), Postgres) => (Kind::Text, escape_string(sql)),
        (b'$', Some(next), Postgres) if next.is_ascii_digit() => (Kind::Parameter, run(is_word)),
        (b'$', _, Postgres) => match dollar_tag(sql) {
            Some(tag) => {
                let body = &sql[tag.len()..];
                (Kind::Text, body.find(tag).map(|at| at + 2 * tag.len()))
            }
            None => (Kind::Other, Some(1)),
        },
        (b'?' | b':' | b'@' | b'#' | b'$', _, Sqlite) => {
            let name = sql[1..].bytes().take_while(|b| is_word(*b)).count();
            (Kind::Parameter, Some(1 + name))
        }
        // SQLite takes a byte order mark for a space wherever a token could begin.
        _ if sql.starts_with('\u{feff}') => (Kind::Space, Some('\u{feff}'.len_utf8())),
        (byte, ..) if is_word(byte) => (Kind::Word, run(is_word)),
        _ => (Kind::Other, Some(1)),
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// A doubled quote is a quote inside.
fn quoted(sql: &str, quote: u8) -> Option<usize> {
    let bytes = sql.as_bytes();
    let mut at = 1;
    loop {
        at += bytes[at..].iter().position(|byte| *byte == quote)? + 1;
        if bytes.get(at) != Some(&quote) {
            return Some(at);
        }
        at += 1;
    }
}

/// `E'…'`: a backslash takes the next byte along.
fn escape_string(sql: &str) -> Option<usize> {
    let bytes = sql.as_bytes();
    let mut at = 2;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'\\', _) | (b'\'', Some(b'\'')) => at += 2,
            (b'\'', _) => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn nested_comment(sql: &str) -> Option<usize> {
    let bytes = sql.as_bytes();
    let (mut at, mut depth) = (0, 0);
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)?) {
            (b'/', b'*') => (at, depth) = (at + 2, depth + 1),
            (b'*', b'/') if depth == 1 => return Some(at + 2),
            (b'*', b'/') => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
}

/// The opening `$tag$`, if this is one.
fn dollar_tag(sql: &str) -> Option<&str> {
    let end = 1 + sql[1..].find('$')?;
    let tag = &sql[1..end];
    tag.bytes()
        .all(|byte| byte != b'$' && is_word(byte))
        .then_some(&sql[..=end])
}

#[cfg(test)]
mod tests;
