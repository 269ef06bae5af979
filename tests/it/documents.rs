//! The documents name tests as their evidence, so that a claim can be looked up: each of them is there.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where tests are named by module and function.
const DOCUMENTS: [&str; 4] = [
    "README.md",
    "docs/design.md",
    "docs/operations.md",
    "docs/threat-model.md",
];

/// A test function, and the module that its file is.
struct Test {
    function: String,
    file: String,
}

#[test]
fn every_test_that_is_named_exists() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = tests(package);
    let mut named = 0;
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(package.join(document)).unwrap();
        for span in text.split('`').skip(1).step_by(2) {
            let Some(path) = test_path(span, &tests) else {
                continue;
            };
            named += 1;
            if !exists(path, &tests) {
                missing.push(format!("{document}: `{span}`"));
            }
        }
    }
    assert!(
        named > 100,
        "only {named} tests are named: is it read at all?"
    );
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}

#[test]
fn a_test_that_does_not_exist_is_seen() {
    let tests = tests(Path::new(env!("CARGO_MANIFEST_DIR")));
    let here = "documents::a_test_that_does_not_exist_is_seen";
    assert!(exists(test_path(here, &tests).unwrap(), &tests));
    let gone = "documents::a_test_that_somebody_has_removed";
    assert!(!exists(test_path(gone, &tests).unwrap(), &tests));
    // A module of tests that is elsewhere is no excuse.
    let elsewhere = "purge::a_test_that_does_not_exist_is_seen";
    assert!(!exists(test_path(elsewhere, &tests).unwrap(), &tests));
}

/// The path of a test, if a code span is one: `module::a_name_of_three_words_or_more`, in a module that has tests.
fn test_path<'a>(span: &'a str, tests: &BTreeMap<String, Vec<Test>>) -> Option<(&'a str, &'a str)> {
    let (module, function) = span.rsplit_once("::")?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let is_path = module.split("::").all(is_name) && is_name(function);
    let first = module.split("::").next()?;
    (is_path && function.matches('_').count() >= 2 && tests.contains_key(first))
        .then_some((module, function))
}

/// Whether there is a test of this name in this module, or in one that is written out in the module's file.
fn exists((module, function): (&str, &str), tests: &BTreeMap<String, Vec<Test>>) -> bool {
    let first = module.split("::").next().unwrap();
    tests[first].iter().any(|test| {
        test.function == function
            && module
                .strip_prefix(&test.file)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

/// All tests of the workspace's test binaries, by the first segment of their module.
fn tests(package: &Path) -> BTreeMap<String, Vec<Test>> {
    let mut roots = vec![package.join("tests/it")];
    for member in std::fs::read_dir(package.join("crates")).unwrap() {
        roots.push(member.unwrap().path().join("tests"));
    }
    let mut tests = BTreeMap::<String, Vec<Test>>::new();
    for root in roots.iter().filter(|root| root.is_dir()) {
        let mut sources = Vec::new();
        list(root, &mut sources);
        for source in sources {
            let module = source.strip_prefix(root).unwrap().with_extension("");
            let file = module.to_str().unwrap().replace('/', "::");
            let file = file.trim_end_matches("::main").to_owned();
            let first = file.split("::").next().unwrap().to_owned();
            let text = std::fs::read_to_string(&source).unwrap();
            tests
                .entry(first)
                .or_default()
                .extend(functions(&text).map(|function| Test {
                    function,
                    file: file.clone(),
                }));
        }
    }
    tests
}

/// The functions of a source that have a `#[test]` or `#[tokio::test]` above them.
fn functions(source: &str) -> impl Iterator<Item = String> + '_ {
    let mut marked = false;
    source.lines().filter_map(move |line| {
        let line = line.trim_start();
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((_, rest)) = line.split_once("fn ")
            && std::mem::take(&mut marked)
        {
            return rest.split('(').next().map(str::to_owned);
        }
        None
    })
}

fn list(directory: &Path, sources: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}
