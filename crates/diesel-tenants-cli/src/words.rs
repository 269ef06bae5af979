//! The library's messages in the words of the command line.
//!
//! An error says what to call next, for whoever writes a program. Who reads it here has commands and options.

/// What the library says, and what is said here in its place.
const WORDS: &[(&str, &str)] = &[
    (
        "call `Builder::restore_shared` again with",
        "run `restore-shared` again with",
    ),
    ("`Tenancy::create`", "`create`"),
    ("`reuse_retired_id`", "`--reuse-retired-id`"),
    (
        "`RecreateOptions::without_backup` goes on without one",
        "`--without-backup` goes on without one",
    ),
    ("until `release_hold`", "until `release`"),
    (
        "purge with `BackupsOnPurge::Keep`",
        "purge without `--with-backups`",
    ),
    (
        "purge with `PurgeOptions::i_checked_the_clock`",
        "add `--i-checked-the-clock`",
    ),
    ("by `Tenancy::set_quota`", "by `quota --set`"),
    ("call `retry_workflow`", "run `doctor --retry`"),
    ("by `abandon_workflow`", "by `abandon`"),
    (
        "pass it to `Builder::workflow` before the library is opened",
        "run the program it belongs to",
    ),
    ("`Tenancy::reference_lists`", "`reference`"),
    ("`RestoreOptions::allow_drift`", "`--allow-drift`"),
    (
        "`RestoreOptions::without_safety_backup`",
        "add `--without-safety-backup`",
    ),
    (
        "`Tenancy::reclaimable` lists them",
        "`doctor` lists those there are",
    ),
    ("`Tenancy::backups`", "`backups`"),
    ("`old_generations` lists", "`generations` lists"),
    ("`Tenancy::fleet_runs`", "`runs`"),
    (
        "export in the layout `sqlite`",
        "export with `--format sqlite`",
    ),
    // These are settings of the program, which nobody changes here.
    (
        "raise `ulimit -n` or lower `max_connections`",
        "raise `ulimit -n`",
    ),
    (" or raise `max_connections`", ""),
    (", or raise `max_connections`", ""),
    (", or raise `max_per_database`", ""),
    (" or raise `busy_timeout`", ""),
];

/// A message of the library as it is said here.
pub(crate) fn of_the_command_line(message: String) -> String {
    WORDS.iter().fold(message, |message, (theirs, ours)| {
        match message.contains(theirs) {
            true => message.replace(theirs, ours),
            false => message,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use regex::Regex;

    use super::*;

    /// What no command can run into.
    const ELSEWHERE: &[&str] = &[
        // Queries of an application.
        "error/in_query.rs",
        // Membership, which an operator does not go by.
        "error/access.rs",
        // The test kit, and the services of the hospital.
        "testing/",
        "services/",
        "models/",
    ];

    /// The texts of the library's errors, by file, with what is filled in left out.
    fn texts() -> Vec<(String, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src");
        let attribute = Regex::new(r#"#\[error\(\s*"((?:[^"\\]|\\(?s:.))*)""#).unwrap();
        let (folded, filled) = (
            Regex::new(r"\\\n\s*").unwrap(),
            Regex::new(r"\{[^}]*\}").unwrap(),
        );
        let mut texts = Vec::new();
        let mut directories = vec![root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let file = path.strip_prefix(&root).unwrap().to_str().unwrap();
                let source = fs::read_to_string(&path).unwrap();
                for found in attribute.captures_iter(&source) {
                    let text = folded.replace_all(&found[1], "");
                    let text = filled.replace_all(&text, "…");
                    texts.push((file.to_owned(), text.into_owned()));
                }
            }
        }
        texts
    }

    #[test]
    fn no_error_names_what_only_a_program_can_call() {
        let of_programs = Regex::new(r"`[^`]*(?:::|\w_\w|\(\))[^`]*`").unwrap();
        let texts = texts();
        assert!(texts.len() > 200, "{}", texts.len());
        let mut named: Vec<String> = Vec::new();
        for (file, text) in &texts {
            let elsewhere = ELSEWHERE.iter().any(|path| file.starts_with(path));
            let said = of_the_command_line(text.clone());
            if !elsewhere && of_programs.is_match(&said) {
                named.push(format!("{file}: {said}"));
            }
        }
        assert_eq!(named, [""; 0]);
    }

    /// A text that was changed in the library would go untranslated.
    #[test]
    fn everything_that_is_translated_is_said() {
        let texts = texts();
        for (theirs, _) in WORDS {
            let said = texts.iter().any(|(_, text)| text.contains(theirs));
            // Two are said by a `match` within the attribute, and not by its text.
            let within = ["`Tenancy::create`"].contains(theirs);
            assert!(said || within, "{theirs}");
        }
    }
}
