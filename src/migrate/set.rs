//! The migrations of a program: an ordered list of scripts, and whether it can be used.
use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use crate::migrate::error::{MigrationForbidden, MigrationSetError, SchemaMismatch};
use crate::migrate::script::{self, Dialect, Objection};

/// One migration: a version, a name for people, and the SQL that takes the schema there.
#[derive(Clone, PartialEq, Eq)]
pub struct MigrationScript {
    version: String,
    name: String,
    sql: Cow<'static, str>,
    down: Option<Cow<'static, str>>,
    checksum: [u8; 32],
    foreign_keys_off: bool,
}

impl MigrationScript {
    /// A migration that runs with foreign keys enforced and has no way back.
    ///
    /// `version` is ASCII digits, with single dots between them if any. Versions are compared **as text**, byte by
    /// byte: `10` comes before `9`, so give all of them the same number of digits, or a date.
    pub fn new(
        version: impl Into<String>,
        name: impl Into<String>,
        sql: impl Into<Cow<'static, str>>,
    ) -> Self {
        let sql = sql.into();
        Self {
            version: version.into(),
            name: name.into(),
            checksum: checksum(&sql),
            sql,
            down: None,
            foreign_keys_off: false,
        }
    }

    /// The same with a script that undoes it.
    pub fn with_down(mut self, sql: impl Into<Cow<'static, str>>) -> Self {
        self.down = Some(sql.into());
        self
    }

    /// The same, run with foreign keys off and checked as a whole before the commit.
    ///
    /// For scripts that rebuild a table others refer to: dropping the old one would otherwise delete or orphan their
    /// rows. It is still one transaction. In `diesel_migrations` terms: `run_in_transaction = false`.
    pub fn with_foreign_keys_off(mut self) -> Self {
        self.foreign_keys_off = true;
        self
    }

    /// What the migration is sorted and remembered by.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The script.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The script that undoes it, if there is one.
    pub fn down(&self) -> Option<&str> {
        self.down.as_deref()
    }

    /// SHA-256 of the script, with CRLF line ends counted as LF: a checkout must not change it.
    pub fn checksum(&self) -> &[u8; 32] {
        &self.checksum
    }

    /// Whether it runs with foreign keys off.
    pub fn foreign_keys_off(&self) -> bool {
        self.foreign_keys_off
    }

    fn check(&self, dialect: Dialect) -> Result<(), MigrationSetError> {
        let (version, name) = (self.version.clone(), self.name.clone());
        if !is_version(&version) {
            return Err(MigrationSetError::BadVersion { version, name });
        }
        if self.sql.starts_with('\u{feff}') {
            return Err(MigrationSetError::ByteOrderMark { version, name });
        }
        if let Some(at) = self.sql.find('\0') {
            let line = 1 + self.sql[..at].matches('\n').count();
            return Err(MigrationSetError::Nul {
                version,
                name,
                line,
            });
        }
        script::inspect(&self.sql, dialect).map_err(|objection| match objection {
            Objection::Empty => MigrationSetError::Empty { version, name },
            Objection::Unterminated { what, line } => MigrationSetError::Unterminated {
                version,
                name,
                what,
                line,
            },
            Objection::Forbidden { statement, line } => MigrationForbidden {
                version,
                name,
                statement,
                line,
            }
            .into(),
        })
    }
}

/// Shows no SQL: a script may hold rows.
impl fmt::Debug for MigrationScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigrationScript")
            .field("version", &self.version)
            .field("name", &self.name)
            .field("foreign_keys_off", &self.foreign_keys_off)
            .finish_non_exhaustive()
    }
}

/// The migrations of a program, in the order they are applied.
///
/// # Example
/// ```
/// use diesel_tenants::migrate::{MigrationScript, MigrationSet};
///
/// let set = MigrationSet::new([
///     MigrationScript::new("0002", "wards", "CREATE TABLE wards (id INTEGER PRIMARY KEY)"),
///     MigrationScript::new("0001", "patients", "CREATE TABLE patients (id INTEGER PRIMARY KEY)"),
/// ]);
/// set.check()?;
/// assert_eq!(set.latest(), Some("0002"));
/// # Ok::<(), diesel_tenants::migrate::MigrationSetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MigrationSet {
    /// Sorted by version.
    scripts: Vec<MigrationScript>,
    /// What went wrong while the set was made, by conversions that cannot fail.
    problems: Vec<MigrationSetError>,
    /// Set once the scripts have passed, so that a fleet's run reads them once and not once for each tenant.
    sqlite_checked: OnceLock<()>,
    postgres_checked: OnceLock<()>,
}

impl MigrationSet {
    /// A set of these scripts, sorted by version.
    pub fn new(scripts: impl IntoIterator<Item = MigrationScript>) -> Self {
        Self::with_problems(scripts.into_iter().collect(), Vec::new())
    }

    /// No migrations.
    pub const fn empty() -> Self {
        Self {
            scripts: Vec::new(),
            problems: Vec::new(),
            sqlite_checked: OnceLock::new(),
            postgres_checked: OnceLock::new(),
        }
    }

    pub(super) fn with_problems(
        mut scripts: Vec<MigrationScript>,
        problems: Vec<MigrationSetError>,
    ) -> Self {
        scripts.sort_by(|a, b| a.version.cmp(&b.version));
        Self {
            scripts,
            problems,
            ..Self::empty()
        }
    }

    /// The migrations of both, in the order of their versions. For schemas that several crates contribute to.
    pub fn and(self, other: impl Into<Self>) -> Self {
        let other = other.into();
        let scripts = self.scripts.into_iter().chain(other.scripts).collect();
        let problems = self.problems.into_iter().chain(other.problems).collect();
        Self::with_problems(scripts, problems)
    }

    /// Whether the set can be used on SQLite. See [`check_for`](Self::check_for).
    ///
    /// # Errors
    /// Those of [`check_for`](Self::check_for).
    pub fn check(&self) -> Result<(), MigrationSetError> {
        self.check_for(Dialect::Sqlite)
    }

    /// Whether the set can be used: each script once. Touches no database; the answer is kept.
    ///
    /// # Errors
    /// The first problem, see the variants of [`MigrationSetError`].
    pub fn check_for(&self, dialect: Dialect) -> Result<(), MigrationSetError> {
        let checked = match dialect {
            Dialect::Sqlite => &self.sqlite_checked,
            Dialect::Postgres => &self.postgres_checked,
        };
        if checked.get().is_some() {
            return Ok(());
        }
        if let Some(problem) = self.problems.first() {
            return Err(problem.clone());
        }
        for [first, second] in self.scripts.array_windows() {
            if first.version == second.version {
                return Err(MigrationSetError::DuplicateVersion {
                    version: first.version.clone(),
                    first: first.name.clone(),
                    second: second.name.clone(),
                });
            }
        }
        self.scripts
            .iter()
            .try_for_each(|script| script.check(dialect))?;
        checked.get_or_init(|| ());
        Ok(())
    }

    /// A hash of everything that makes the resulting schema: versions, scripts, and how they are run.
    pub fn digest(&self) -> Digest {
        // Changes when what a migrated database holds changes without any script changing, such as the ledger.
        const FORMAT: u32 = 1;

        let mut hash = Sha256::new();
        hash.update(FORMAT.to_le_bytes());
        for script in &self.scripts {
            hash.update((script.version.len() as u64).to_le_bytes());
            hash.update(&script.version);
            hash.update(script.checksum);
            hash.update([u8::from(script.foreign_keys_off)]);
        }
        Digest(hash.finalize().into())
    }

    /// The greatest version.
    pub fn latest(&self) -> Option<&str> {
        self.scripts.last().map(MigrationScript::version)
    }

    /// The migration of this version.
    pub fn get(&self, version: &str) -> Option<&MigrationScript> {
        self.iter().find(|script| script.version == version)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.scripts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// The migrations in the order they are applied.
    pub fn iter(&self) -> std::slice::Iter<'_, MigrationScript> {
        self.scripts.iter()
    }

    /// Whether a database whose newest migration is `found` fits this program. Touches no database.
    ///
    /// Looks at the newest version only, so that it can be asked whenever a connection is made;
    /// [`status`](crate::migrate::status) compares everything.
    ///
    /// # Errors
    /// - [`SchemaMismatch::Behind`]: migrations are pending.
    /// - [`SchemaMismatch::Ahead`]: a newer program was here.
    pub fn gate(&self, found: Option<&str>) -> Result<(), SchemaMismatch> {
        use std::cmp::Ordering::{Equal, Greater, Less};

        match (found.cmp(&self.latest()), found, self.latest()) {
            (Equal, ..) | (Less, _, None) | (Greater, None, _) => Ok(()),
            (Less, found, Some(wanted)) => Err(SchemaMismatch::Behind {
                found: found.map(str::to_owned),
                wanted: wanted.to_owned(),
            }),
            (Greater, Some(found), newest_known) => Err(SchemaMismatch::Ahead {
                found: found.to_owned(),
                newest_known: newest_known.map(str::to_owned),
            }),
        }
    }
}

impl<'a> IntoIterator for &'a MigrationSet {
    type Item = &'a MigrationScript;
    type IntoIter = std::slice::Iter<'a, MigrationScript>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<MigrationScript> for MigrationSet {
    fn from(script: MigrationScript) -> Self {
        Self::new([script])
    }
}

impl FromIterator<MigrationScript> for MigrationSet {
    fn from_iter<I: IntoIterator<Item = MigrationScript>>(scripts: I) -> Self {
        Self::new(scripts)
    }
}

/// A SHA-256 that names a [`MigrationSet`]. `Display` is 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

fn checksum(sql: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (index, part) in sql.split("\r\n").enumerate() {
        if index > 0 {
            hash.update("\n");
        }
        hash.update(part);
    }
    hash.finalize().into()
}

fn is_version(version: &str) -> bool {
    version
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(version: &'static str, name: &'static str) -> MigrationScript {
        MigrationScript::new(version, name, format!("CREATE TABLE {name} (id INTEGER)"))
    }

    fn refused(script: MigrationScript) -> MigrationSetError {
        MigrationSet::new([create("0000", "zero"), script])
            .check()
            .expect_err("the script should be refused")
    }

    #[test]
    fn sorted_as_text_and_joined() {
        let set = MigrationSet::new([create("9", "c"), create("10", "a")])
            .and(MigrationSet::new([create("10.1", "b")]))
            .and(MigrationSet::empty());
        let versions: Vec<_> = set.iter().map(MigrationScript::version).collect();
        assert_eq!(versions, ["10", "10.1", "9"]);
        assert_eq!((set.len(), set.latest()), (3, Some("9")));
        assert!(set.check().is_ok());
        assert_eq!(MigrationSet::empty().latest(), None);
        assert!(MigrationSet::empty().check().is_ok());
    }

    #[test]
    fn bad_versions_are_named() {
        for version in [
            "", "1_a", "abc", "1.", ".1", "1..2", "1 ", "\u{0661}", "1-2",
        ] {
            assert!(
                matches!(refused(create(version, "x")), MigrationSetError::BadVersion { version: v, .. } if v == version),
                "{version:?}"
            );
        }
    }

    #[test]
    fn a_version_in_two_crates_is_named_with_both() {
        let error = MigrationSet::new([create("0001", "ours")])
            .and(MigrationSet::new([create("0001", "theirs")]))
            .check();
        assert!(
            matches!(
                &error,
                Err(MigrationSetError::DuplicateVersion { version, first, second })
                    if (version.as_str(), first.as_str(), second.as_str()) == ("0001", "ours", "theirs")
            ),
            "{error:?}"
        );
    }

    #[test]
    fn what_is_wrong_with_a_text_is_named() {
        let script = |sql: &'static str| MigrationScript::new("0001", "x", sql);
        assert!(matches!(
            refused(script("-- later\n")),
            MigrationSetError::Empty { .. }
        ));
        assert!(matches!(
            refused(script("\u{feff}SELECT 1")),
            MigrationSetError::ByteOrderMark { .. }
        ));
        assert!(matches!(
            refused(script("SELECT\n'\0'")),
            MigrationSetError::Nul { line: 2, .. }
        ));
        assert!(matches!(
            refused(script("SELECT\n'a")),
            MigrationSetError::Unterminated { line: 2, .. }
        ));
        let error = refused(script("SELECT 1;\nCOMMIT"));
        assert_eq!(
            error.to_string(),
            "migration `0001` (x) must not contain COMMIT (line 2): \
             remove it, each migration is run in a transaction of its own together with its ledger row"
        );
    }

    #[test]
    fn dialects_are_checked_apart() {
        let set = MigrationSet::new([MigrationScript::new("1", "x", "SELECT $$; COMMIT; $$")]);
        assert!(set.check_for(Dialect::Postgres).is_ok());
        assert!(set.check_for(Dialect::Sqlite).is_err());
        assert!(set.clone().check_for(Dialect::Postgres).is_ok());
    }

    #[test]
    fn line_ends_do_not_change_a_checksum_and_everything_else_does() {
        let script = |sql: &'static str| MigrationScript::new("1", "x", sql);
        assert_eq!(script("a\nb\n").checksum(), script("a\r\nb\r\n").checksum());
        assert_ne!(script("a\nb\n").checksum(), script("a\nb").checksum());
        assert_ne!(script("a\nb\n").checksum(), script("a\rb\n").checksum());

        let digest = |script| MigrationSet::new([script]).digest();
        assert_eq!(digest(script("a\n")), digest(script("a\r\n")));
        assert_ne!(digest(script("a")), digest(script("b")));
        assert_ne!(
            digest(script("a")),
            digest(script("a").with_foreign_keys_off())
        );
        assert_ne!(
            digest(script("a")),
            digest(MigrationScript::new("2", "x", "a"))
        );
        assert_ne!(digest(script("a")), MigrationSet::empty().digest());
    }

    #[test]
    fn the_digest_does_not_change_by_itself() {
        // Templates are named by it: a build that computes another one must have meant to, and raise `FORMAT`.
        let set = MigrationSet::new([MigrationScript::new("0001", "x", "SELECT 1")]);
        assert_eq!(
            set.digest().to_string(),
            "83715a64783830c15a598d24bf94d77d1c524dd32ed7f175ed65d191418f8710"
        );
        assert_eq!(
            set.digest().to_string().len(),
            2 * set.digest().as_bytes().len()
        );
    }

    #[test]
    fn the_gate_compares_the_newest() {
        let set = MigrationSet::new([create("0001", "a"), create("0002", "b")]);
        assert_eq!(set.gate(Some("0002")), Ok(()));
        assert_eq!(MigrationSet::empty().gate(None), Ok(()));
        for found in [None, Some("0001")] {
            assert_eq!(
                set.gate(found),
                Err(SchemaMismatch::Behind {
                    found: found.map(str::to_owned),
                    wanted: "0002".to_owned()
                })
            );
        }
        assert!(matches!(
            set.gate(Some("0003")),
            Err(SchemaMismatch::Ahead { .. })
        ));
        assert!(matches!(
            MigrationSet::empty().gate(Some("0001")),
            Err(SchemaMismatch::Ahead {
                newest_known: None,
                ..
            })
        ));
    }

    #[test]
    fn debug_shows_no_sql() {
        let shown = format!("{:?}", MigrationSet::new([create("1", "secret_rows")]));
        assert!(!shown.contains("CREATE"), "{shown}");
    }
}
