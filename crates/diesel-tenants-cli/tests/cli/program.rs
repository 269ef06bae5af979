//! Runs the program in a directory of its own.
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::{Builder, MigrationSet, NewTenant, Sqlite, Tenancy};
use regex::Regex;
use serde_json::Value;

use crate::schemas;

/// A temporary directory with a data directory `data` in it.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Says that a test is skipped. The harness keeps what `eprintln!` says of a passing test to itself; this it does not.
pub(crate) fn skipped(why: &str) {
    use std::io::Write as _;
    let line = format!("SKIPPED: {why}\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("there is a standard error");
}

impl Place {
    /// With a data directory that `init` has made.
    pub(crate) fn new() -> Self {
        let place = Self::empty();
        place.run(["init"]).done();
        place
    }

    pub(crate) fn empty() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The program on the data directory, run in the directory above it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenants"));
        command
            .current_dir(self.path())
            .env("TENANTS_DATA", "data")
            .env_remove("NO_COLOR")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(self.command().args(arguments))
    }

    /// Runs it with `--json`, and checks the document against its schema.
    pub(crate) fn json<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> (Value, i32) {
        let ran = Ran::of(self.command().args(arguments).arg("--json"));
        let document = ran.document();
        (document, ran.code)
    }

    /// Creates a tenant of this id.
    pub(crate) fn create(&self, id: &str) {
        self.run(["create", id, "--name", &format!("{id} Hospital")])
            .done();
    }

    /// Creates tenants as an older program does: they are behind.
    pub(crate) fn create_behind(&self, ids: &[&str]) {
        let older = self.older_library().open().expect("the library opens");
        for id in ids {
            let created = older.create(&id.parse().expect("an id"), NewTenant::named(*id));
            created.expect("it is created");
        }
    }

    /// Creates one on a plan, and one that is suspended.
    pub(crate) fn create_two(&self) {
        let named = ["--name", "Teaching Hospital", "--plan", "premium"];
        self.run(["create", "TH001"].into_iter().chain(named))
            .done();
        self.create("DMC001");
        self.run(["suspend", "DMC001"]).done();
    }

    /// The same application in this process, to be adjusted and opened.
    pub(crate) fn library(&self) -> Builder<diesel::SqliteConnection, Sqlite> {
        Tenancy::builder(&ROUTES)
            .sqlite(self.data())
            .shared_migrations(SHARED_MIGRATIONS)
            .tenant_migrations(TENANT_MIGRATIONS)
    }

    /// Runs SQL in a tenant's database, as somebody who knows better would.
    pub(crate) fn sql(&self, id: &str, sql: &str) {
        use diesel::connection::SimpleConnection;

        let tenancy = self.library().open().expect("the library opens");
        let mut ctx = tenancy
            .tenant(&id.parse().expect("an id"))
            .expect("the tenant opens");
        ctx.unrouted("to break things", |raw| raw.connection().batch_execute(sql))
            .expect("the SQL runs");
    }

    /// How many patients a tenant has.
    pub(crate) fn patients(&self, id: &str) -> i64 {
        use diesel::QueryDsl;
        use diesel_tenants::RunQueryDsl;
        use diesel_tenants::models::schema::tenant::patients;

        let tenancy = self.library().open().expect("the library opens");
        let mut ctx = tenancy
            .tenant(&id.parse().expect("an id"))
            .expect("the tenant opens");
        patients::table
            .count()
            .get_result(&mut ctx)
            .expect("they can be counted")
    }

    /// Adds one patient.
    pub(crate) fn admit(&self, id: &str) {
        self.sql(id, "INSERT INTO patients (id, number, given_name, family_name, birth_date, sex, created_at)
                      VALUES (randomblob(16), hex(randomblob(8)), 'Ada', 'Example', '1990-01-01', 'female', '2026-01-01')");
    }

    /// An older program, which knows all tenant migrations but the newest.
    pub(crate) fn older_library(&self) -> Builder<diesel::SqliteConnection, Sqlite> {
        let all = MigrationSet::from(TENANT_MIGRATIONS);
        let older: MigrationSet = all.iter().take(all.len() - 1).cloned().collect();
        self.library().tenant_migrations(older)
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        Self {
            code: status.code().expect("it ends by itself"),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    /// Its result, after it ended well.
    #[track_caller]
    pub(crate) fn done(&self) -> &str {
        self.ended(0)
    }

    /// Its result, after it ended with this code.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{self:?}");
        &self.stdout
    }

    /// Its message, after it ended with this code and without a result.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "a result beside an error");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        &self.stderr
    }

    /// The one document on stdout, which is as its schema says.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        let document: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        schemas::check(&document);
        document
    }
}

/// The text with what differs from run to run replaced, and runs of blanks made one.
pub(crate) fn stable(text: &str) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let rule = |pattern: &str, with| (Regex::new(pattern).expect("a regular expression"), with);
        vec![
            rule(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
            rule(r"\b[0-9a-f]{64}\b", "HASH"),
            rule(r"-[0-9a-f]{32}\b", "-UUID"),
            rule(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME"),
            rule(r"at most \d+", "at most N"),
            rule(r"SQLite \d+\.\d+\.\d+", "SQLite VERSION"),
            rule(r#""bytes": \d+"#, "\"bytes\": N"),
            rule(r"/\S*/data\b", "data"),
            rule(r"-[0-9a-f]{8}/g", "-XXXXXXXX/g"),
            rule(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
            rule(
                r"\b(just now|\d+ (second|minute|hour|day|week|month|year)s? ago)",
                "AGO",
            ),
            rule(r"\b\d+(\.\d+)? ([KMGT]iB|B)\b", "SIZE"),
            rule(r"\b\d+(\.\d+)?(ms|s)\b", "TOOK"),
            rule(r"(?m)[ \t]+$", ""),
            rule(r"[ \t]+", " "),
        ]
    });
    RULES.iter().fold(text.to_owned(), |text, (pattern, with)| {
        pattern.replace_all(&text, *with).into_owned()
    })
}
