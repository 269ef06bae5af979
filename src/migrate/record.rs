//! Takes the SQL out of `diesel_migrations` migrations, which can only be run.
use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use diesel::connection::{BoxableConnection, SimpleConnection};
use diesel::migration::{Migration, MigrationSource};
use diesel::result::QueryResult;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationError};

use crate::migrate::error::MigrationSetError;
use crate::migrate::set::{MigrationScript, MigrationSet};

type DynError = Box<dyn std::error::Error + Send + Sync>;

/// A connection to nothing that remembers what it was told to run.
///
/// It is no `diesel::Connection`, so a migration that asks for a real one is told that there is none.
#[derive(Default)]
struct Recorder(Vec<String>);

impl SimpleConnection for Recorder {
    fn batch_execute(&mut self, sql: &str) -> QueryResult<()> {
        self.0.push(sql.to_owned());
        Ok(())
    }
}

impl BoxableConnection<Sqlite> for Recorder {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

fn record(
    run: impl FnOnce(&mut dyn BoxableConnection<Sqlite>) -> Result<(), DynError>,
) -> Result<Cow<'static, str>, DynError> {
    let mut recorder = Recorder::default();
    run(&mut recorder)?;
    // Usually one text. A line end goes between several, in case one ends with a comment.
    Ok(recorder.0.join("\n;\n").into())
}

fn script_of(migration: &dyn Migration<Sqlite>) -> Result<MigrationScript, MigrationSetError> {
    let version = migration.name().version().to_string();
    let full_name = migration.name().to_string();
    let name = match full_name.split_once('_') {
        Some((_, name)) => name.to_owned(),
        None => full_name,
    };
    let not_sql = |source: DynError| MigrationSetError::NotSql {
        version: version.clone(),
        name: name.clone(),
        source: Arc::from(source),
    };

    let up = record(|conn| migration.run(conn)).map_err(not_sql)?;
    let down = match record(|conn| migration.revert(conn)) {
        Ok(sql) => Some(sql),
        Err(error) => match error.downcast_ref() {
            Some(MigrationError::NoMigrationRevertFile) => None,
            _ => return Err(not_sql(error)),
        },
    };

    let mut script = MigrationScript::new(version, name, up);
    if let Some(down) = down {
        script = script.with_down(down);
    }
    if !migration.metadata().run_in_transaction() {
        script = script.with_foreign_keys_off();
    }
    Ok(script)
}

impl MigrationSet {
    /// The migrations of a `diesel_migrations` source, such as `FileBasedMigrations` in a command line tool.
    ///
    /// Never fails: what gives no SQL is reported by [`check`](Self::check).
    pub fn from_source(source: impl MigrationSource<Sqlite>) -> Self {
        let migrations = match source.migrations() {
            Ok(migrations) => migrations,
            Err(error) => {
                let problem = MigrationSetError::Source(Arc::from(error));
                return Self::with_problems(Vec::new(), vec![problem]);
            }
        };
        let (mut scripts, mut problems) = (Vec::new(), Vec::new());
        for migration in migrations {
            match script_of(&*migration) {
                Ok(script) => scripts.push(script),
                Err(problem) => problems.push(problem),
            }
        }
        Self::with_problems(scripts, problems)
    }
}

/// Takes the texts and what `metadata.toml` says: `run_in_transaction = false` is
/// [`MigrationScript::with_foreign_keys_off`]. Problems are reported by [`MigrationSet::check`].
impl From<EmbeddedMigrations> for MigrationSet {
    fn from(migrations: EmbeddedMigrations) -> Self {
        Self::from_source(migrations)
    }
}

#[cfg(test)]
mod tests {
    use diesel::migration::{MigrationMetadata, MigrationName, MigrationVersion, Result};
    use diesel::prelude::*;
    use diesel_migrations::embed_migrations;

    use super::*;

    const EMBEDDED: EmbeddedMigrations = embed_migrations!("tests/it/migrations");

    #[test]
    fn embedded_migrations_keep_their_text_and_metadata() {
        let set = MigrationSet::from(EMBEDDED);
        set.check().unwrap();
        let [wards, patients] = &set.iter().collect::<Vec<_>>()[..] else {
            panic!("{set:?}");
        };
        assert_eq!((wards.version(), wards.name()), ("20240101000000", "wards"));
        assert!(wards.sql().starts_with("CREATE TABLE wards"));
        assert_eq!(wards.down(), Some("DROP TABLE wards;\n"));
        assert!(!wards.foreign_keys_off());
        assert_eq!(
            (patients.version(), patients.name()),
            ("20240102000000", "patients_of_wards")
        );
        assert_eq!(patients.down(), None);
        assert!(patients.foreign_keys_off());
    }

    /// A migration of Rust code. Its name is its version.
    struct Code(fn(&mut dyn BoxableConnection<Sqlite>) -> Result<()>);

    impl std::fmt::Display for Code {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("0001")
        }
    }

    impl MigrationName for Code {
        fn version(&self) -> MigrationVersion<'_> {
            "0001".into()
        }
    }

    impl MigrationMetadata for Code {}

    impl Migration<Sqlite> for Code {
        fn run(&self, conn: &mut dyn BoxableConnection<Sqlite>) -> Result<()> {
            (self.0)(conn)
        }
        fn revert(&self, _conn: &mut dyn BoxableConnection<Sqlite>) -> Result<()> {
            Err(MigrationError::NoMigrationRevertFile.into())
        }
        fn metadata(&self) -> &dyn MigrationMetadata {
            self
        }
        fn name(&self) -> &dyn MigrationName {
            self
        }
    }

    struct Source(Code);

    impl MigrationSource<Sqlite> for Source {
        fn migrations(&self) -> Result<Vec<Box<dyn Migration<Sqlite>>>> {
            Ok(vec![Box::new(Code(self.0.0))])
        }
    }

    #[test]
    fn several_texts_of_one_migration_are_joined() {
        let set = MigrationSet::from_source(Source(Code(|conn| {
            conn.batch_execute("SELECT 1 -- one")?;
            Ok(conn.batch_execute("SELECT 2")?)
        })));
        set.check().unwrap();
        let script = set.get("0001").unwrap();
        assert_eq!(
            (script.name(), script.sql()),
            ("0001", "SELECT 1 -- one\n;\nSELECT 2")
        );
    }

    #[test]
    fn code_that_wants_a_real_connection_is_named() {
        let set = MigrationSet::from_source(Source(Code(|conn| {
            conn.downcast_mut::<SqliteConnection>()
                .map(|_| ())
                .ok_or_else(|| "not an SQLite connection".into())
        })));
        let error = set.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "migration `0001` (0001) gives no SQL text; only migrations made of SQL are supported"
        );
        // Once joined, it is still known.
        assert!(MigrationSet::empty().and(set).check().is_err());
    }

    #[test]
    fn code_that_says_nothing_is_empty() {
        let set = MigrationSet::from_source(Source(Code(|_| Ok(()))));
        assert!(matches!(set.check(), Err(MigrationSetError::Empty { .. })));
    }

    #[test]
    fn a_file_that_is_not_utf8_or_empty_is_named() {
        for (bytes, empty) in [(&b"SELECT '\xff'"[..], false), (&b""[..], true)] {
            let dir = tempfile::tempdir().unwrap();
            let migration = dir.path().join("0001_patients");
            std::fs::create_dir(&migration).unwrap();
            std::fs::write(migration.join("up.sql"), bytes).unwrap();
            let source = diesel_migrations::FileBasedMigrations::from_path(dir.path()).unwrap();
            match MigrationSet::from_source(source).check() {
                Err(MigrationSetError::NotSql {
                    version,
                    name,
                    source,
                }) => {
                    assert_eq!((version.as_str(), name.as_str()), ("0001", "patients"));
                    assert_eq!(source.to_string().contains("UTF-8"), !empty, "{source}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
