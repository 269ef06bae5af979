use proptest::prelude::*;

use super::*;

fn texts(sql: &str, dialect: Dialect) -> Vec<&str> {
    statements(sql, dialect).iter().map(|s| s.text()).collect()
}

/// What is found in a SQLite script, and where.
fn found(sql: &str) -> Option<(String, usize)> {
    found_by(sql, Dialect::Sqlite)
}

fn found_by(sql: &str, dialect: Dialect) -> Option<(String, usize)> {
    match inspect(sql, dialect) {
        Ok(()) => None,
        Err(Objection::Forbidden { statement, line }) => Some((statement.to_string(), line)),
        Err(other) => panic!("{sql:?}: {other:?}"),
    }
}

const TRIGGER: &str =
    "CREATE TRIGGER audit AFTER UPDATE ON patients WHEN new.ward <> '; END;' BEGIN
    UPDATE patients SET state = CASE WHEN new.ward = 'A' THEN 1 ELSE 2 END;
    SELECT end FROM log; -- END;
    INSERT INTO log VALUES (CASE new.id WHEN 1 THEN 'BEGIN' END, 'COMMIT;');
END;";

#[test]
fn a_trigger_is_one_statement() {
    for head in [
        "CREATE TRIGGER",
        "create temp trigger",
        "CREATE TEMPORARY TRIGGER",
    ] {
        let trigger = TRIGGER.replace("CREATE TRIGGER", head);
        let script = format!("{trigger} CREATE TABLE b (id INTEGER);");
        assert_eq!(
            texts(&script, Dialect::Sqlite),
            [&trigger, " CREATE TABLE b (id INTEGER);"]
        );
        assert_eq!(found(&script), None);
        assert_eq!(
            found(&format!("{trigger}\nCOMMIT;")),
            Some(("COMMIT".to_owned(), 6)),
            "after `{head}`"
        );
    }
}

#[test]
fn a_function_with_an_atomic_body_is_one_statement() {
    let function = "CREATE OR REPLACE FUNCTION f(a int) RETURNS int BEGIN ATOMIC \
         SELECT CASE WHEN a = 1 THEN 2 END; SELECT 3; END;";
    let script = format!("{function}SELECT 1;");
    assert_eq!(texts(&script, Dialect::Postgres), [function, "SELECT 1;"]);
    assert_eq!(
        found_by(&format!("{function} END"), Dialect::Postgres),
        Some(("END".to_owned(), 1))
    );
}

#[test]
fn forbidden_statements_are_named_with_their_line() {
    for (sql, name) in [
        ("BEGIN IMMEDIATE", "BEGIN"),
        ("begin", "BEGIN"),
        ("COMMIT", "COMMIT"),
        ("End Transaction", "END"),
        ("ROLLBACK TO x", "ROLLBACK"),
        ("SAVEPOINT x", "SAVEPOINT"),
        ("RELEASE x", "RELEASE"),
        ("ATTACH 'x' AS y", "ATTACH"),
        ("DETACH y", "DETACH"),
        ("VACUUM INTO 'x'", "VACUUM"),
        ("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode"),
        ("PRAGMA main.journal_mode", "PRAGMA journal_mode"),
        ("PRAGMA \"main\" . 'Journal_Mode'", "PRAGMA journal_mode"),
        ("PRAGMA/**/`synchronous`(0)", "PRAGMA synchronous"),
        ("pragma [foreign_keys]=OFF", "PRAGMA foreign_keys"),
        ("PRAGMA writable_schema = 1", "PRAGMA writable_schema"),
        ("PRAGMA locking_mode = EXCLUSIVE", "PRAGMA locking_mode"),
        (
            "DROP TABLE __tenants_migrations",
            "the name __tenants_migrations",
        ),
        ("CREATE TABLE __TENANTS_x (id)", "the name __TENANTS_x"),
        (
            "DELETE FROM \"__tenants_a\"\"b\"",
            "the name __tenants_a\"b",
        ),
        ("DELETE FROM [__tenants_a]", "the name __tenants_a"),
        ("DELETE FROM '__tenants_a'", "the name __tenants_a"),
        ("SELECT $a('); COMMIT; SELECT (')", "the parameter $a"),
        ("SELECT ?1", "the parameter ?1"),
    ] {
        let script =
            format!("-- BEGIN;\nCREATE TABLE a (b TEXT);\r\n /* ;\n COMMIT; */ {sql};\nSELECT 1");
        assert_eq!(found(&script), Some((name.to_owned(), 4)), "{sql}");
    }
}

#[test]
fn a_quote_hides_nothing_and_nothing_hides_in_it() {
    for sql in [
        "SELECT '; COMMIT; ', \"; COMMIT; \", `; COMMIT; `, [; COMMIT; ]",
        "SELECT 'it''s; COMMIT;'",
        "SELECT 1 -- '\n, '; COMMIT;'",
        "SELECT 1; -- \r COMMIT;",
        "SELECT x'00' '; COMMIT;'",
        "CREATE TABLE commits (begin TEXT, \"end\" TEXT)",
        "SELECT a FROM t WHERE b = 'end' /* /* ; COMMIT; */",
        "PRAGMA user_version = 3",
        "PRAGMA defer_foreign_keys = ON",
        "EXPLAIN COMMIT",
    ] {
        assert_eq!(found(sql), None, "{sql}");
    }
    for sql in [
        "SELECT ''; COMMIT; --'",
        "SELECT 'it''s'; COMMIT; --'",
        "SELECT x'00'''; COMMIT; --'",
        "SELECT 1 -- \r '\n; COMMIT; --'",
        "SELECT 1 /* ' */; COMMIT; --'",
        "SELECT [']; COMMIT; --']",
        "SELECT 1 /* /* */; COMMIT; -- */",
        "SELECT \"\\\"; COMMIT; --\"",
        "\u{feff}COMMIT",
        ";;COMMIT",
    ] {
        let name = found(sql).map(|(name, _)| name);
        assert_eq!(name.as_deref(), Some("COMMIT"), "{sql}");
    }
}

#[test]
fn postgres_reads_its_own_quotes() {
    for sql in [
        "SELECT $$; COMMIT; '$$, $a$; COMMIT; $$ $a$",
        "SELECT E'\\'; COMMIT; '",
        "SELECT 1 /* /* */; COMMIT; */",
        "SELECT a[1:2], b::text, c @> d, e ? f FROM t",
        "PRAGMA",
    ] {
        assert_eq!(found_by(sql, Dialect::Postgres), None, "{sql}");
    }
    for (sql, name) in [
        ("SELECT '\\'; COMMIT; --'", "COMMIT"),
        ("SELECT a[1]; COMMIT; --]", "COMMIT"),
        ("SELECT 1 -- \r; COMMIT", "COMMIT"),
        ("SELECT $a$ x $a$; COMMIT; -- $a$", "COMMIT"),
        ("SELECT E'\\\\'; COMMIT; --'", "COMMIT"),
        ("START TRANSACTION", "START TRANSACTION"),
        ("ABORT", "ABORT"),
        ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
        ("SELECT $1", "the parameter $1"),
    ] {
        assert_eq!(
            found_by(sql, Dialect::Postgres),
            Some((name.to_owned(), 1)),
            "{sql}"
        );
    }
}

#[test]
fn an_empty_or_unfinished_script_is_named() {
    for sql in ["", " \n", "-- nothing", "/* nothing */ ;; -- more\n;"] {
        assert_eq!(
            inspect(sql, Dialect::Sqlite),
            Err(Objection::Empty),
            "{sql:?}"
        );
    }
    for (sql, what) in [
        ("SELECT\n'a''", "string"),
        ("SELECT\n\"a", "quoted identifier"),
        ("SELECT\n[a", "quoted identifier"),
        ("SELECT 1;\n/* a", "comment"),
    ] {
        let wanted = Err(Objection::Unterminated { what, line: 2 });
        assert_eq!(inspect(sql, Dialect::Sqlite), wanted, "{sql:?}");
    }
}

#[test]
fn the_foreign_keys_pragma_says_why_and_what_instead() {
    let advice = ForbiddenStatement::Pragma("foreign_keys".to_owned()).advice();
    assert!(advice.contains("no effect in a transaction"));
    assert!(advice.contains("run_in_transaction = false"));
}

/// Text made of the pieces that matter to a scanner, which random characters would hardly ever form.
fn sql_soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "'",
            "\"",
            "`",
            "[",
            "]",
            ";",
            "--",
            "\n",
            "\r",
            "/*",
            "*/",
            "$",
            "$$",
            "$a$",
            "?1",
            ":x",
            "E'",
            "x'",
            "\\",
            "\u{feff}",
            "\u{e9}",
            " ",
            "CREATE",
            "TEMP",
            "TRIGGER",
            "FUNCTION",
            "BEGIN",
            "ATOMIC",
            "CASE",
            "END",
            "COMMIT",
            "PRAGMA",
            ".",
            "__tenants_x",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_panics_and_the_statements_join_to_the_script(sql in sql_soup()) {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            prop_assert_eq!(texts(&sql, dialect).concat(), sql.as_str());
            let _ = inspect(&sql, dialect);
        }
    }
}

/// SQLite itself is asked: what the scanner lets pass must leave its transaction open.
#[cfg(feature = "sqlite")]
#[test]
fn sqlite_agrees_that_nothing_ends_the_transaction() {
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use std::cell::Cell;

    let soup = || {
        let piece = prop::sample::select(vec![
            "'", "\"", "`", "[", "]", "--", "\n", "\r", "/*", "*/", "$a", "$$", "$a(", "x'", "00'",
            "E'", "\\", "\u{feff}", "\u{e9}", " ", "END", ";END;", "CASE", ";", "a",
        ]);
        prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
    };
    // Most soup is no SQL. In a comment or a string it does not keep the engine from reaching the COMMIT.
    let around = prop::sample::select(vec![
        ("", ""),
        ("/*", "*/"),
        ("--", "\n"),
        (", '", "'"),
        (", \"", "\""),
        (", [", "]"),
        (
            "; CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN SELECT end ",
            "; END",
        ),
    ]);
    let wrapped = (around, soup()).prop_map(|((open, close), soup)| format!("{open}{soup}{close}"));
    let scripts = (wrapped.clone(), wrapped, soup())
        .prop_map(|(first, second, end)| format!("SELECT 1{first}{second};COMMIT;--{end}"));

    let escaped = Cell::new(0);
    TestRunner::new_with_rng(
        Config::with_cases(8_000),
        proptest::test_runner::TestRng::deterministic_rng(Default::default()),
    )
    .run(&scripts, |sql| {
        let mut conn = SqliteConnection::establish(":memory:").expect("in memory");
        conn.batch_execute("CREATE TABLE t (a, end); BEGIN")
            .expect("a table");
        let _ = conn.batch_execute(&sql);
        let is_open = conn.batch_execute("BEGIN").is_err();
        escaped.set(escaped.get() + usize::from(!is_open));
        prop_assert!(
            is_open || inspect(&sql, Dialect::Sqlite).is_err(),
            "{:?}",
            sql
        );
        Ok(())
    })
    .unwrap();
    assert!(
        escaped.get() > 1_000,
        "only {} scripts reached their COMMIT",
        escaped.get()
    );
}
