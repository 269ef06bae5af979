//! Opening a live database behind SQLite's back drops this process's locks on it and loses commits, so only the
//! modules named here open files. A new entry needs a reason: which file, and why no connection can have it open.

use std::path::{Path, PathBuf};

const OPENS_FILES: [(&str, &str); 7] = [
    (
        "src/backend/sqlite/artefact.rs",
        "backups, which SQLite opens as immutable only, without a lock",
    ),
    (
        "src/backend/sqlite/connect.rs",
        "`/dev/null`, to learn whether a descriptor is left",
    ),
    (
        "src/backend/sqlite/files.rs",
        "staging files and closed templates",
    ),
    (
        "src/backend/sqlite/lock.rs",
        "lock files, which are no databases",
    ),
    (
        "src/backend/sqlite/tombstones.rs",
        "certificates of purges, which are no databases",
    ),
    (
        "src/export/directory.rs",
        "files of an export, which no connection has open: written under a staging name, read where they were put",
    ),
    (
        "src/failpoint.rs",
        "the trace of a fault-injection test, which is no database",
    ),
];

const WAYS_TO_OPEN: [&str; 10] = [
    "fs::read(",
    "fs::read_to_string(",
    "fs::write(",
    "fs::copy(",
    "File::open",
    "File::create",
    "File::options",
    "OpenOptions",
    "rustix::fs::open",
    "openat(",
];

#[test]
fn only_audited_modules_open_files() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    list(&package.join("src"), &mut sources);
    assert!(sources.len() > OPENS_FILES.len(), "no sources found");
    let mut seen = Vec::new();
    for source in sources {
        let text = std::fs::read_to_string(&source).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        // A comment may say what not to do.
        let mut lines = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        if lines.any(|line| WAYS_TO_OPEN.iter().any(|way| line.contains(way))) {
            seen.push(source.strip_prefix(package).unwrap().to_owned());
        }
    }
    seen.sort();
    assert_eq!(seen, OPENS_FILES.map(|(path, _)| PathBuf::from(path)));
}

fn list(directory: &Path, sources: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, sources);
        } else if path.ends_with("tests.rs") {
            // Unit tests of the module beside it.
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}
