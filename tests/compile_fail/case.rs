//! One program and what is expected of it.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libtest_mimic::Failed;

use crate::compiler::{self, CASES, Diagnostic, ROOT};

/// An error a refused program must give.
#[derive(Debug)]
struct Expected {
    code: String,
    messages: Vec<String>,
}

impl Expected {
    fn is(&self, error: &Diagnostic) -> bool {
        self.code == error.code && self.messages.iter().all(|m| error.message.contains(m))
    }
}

/// The names of the programs in `refused` or `accepted`, sorted.
pub fn names(directory: &str) -> BTreeSet<String> {
    let directory = Path::new(ROOT).join(CASES).join(directory);
    let entries = fs::read_dir(&directory).expect("the cases stand beside this file");
    let paths = entries.map(|entry| entry.expect("a directory that can be read").path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect()
}

/// Every refused program has an accepted twin, and what has none says what it is there for.
pub fn check_twins(refused: &BTreeSet<String>, accepted: &BTreeSet<String>) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for name in refused.symmetric_difference(accepted) {
        let alone = name.starts_with("works_") || name.starts_with("hole_");
        match (refused.contains(name), alone) {
            (true, _) => wrong.push(format!("refused/{name}.rs has no twin in accepted")),
            (false, false) => wrong.push(format!(
                "accepted/{name}.rs has no twin in refused and is no `works_…` or `hole_…`"
            )),
            (false, true) => {}
        }
    }
    for name in refused.intersection(accepted) {
        let (refused, accepted) = (read("refused", name)?, read("accepted", name)?);
        if body(&refused) == body(&accepted) {
            wrong.push(format!("{name}.rs is the same in refused and accepted"));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

/// The program gives the errors its header expects and no others.
pub fn check_refused(name: &str) -> Result<(), Failed> {
    let source = read("refused", name)?;
    let (expected, mentions) = header(&source)?;
    let errors = compiler::check(&format!("{CASES}/refused/{name}.rs"))?;
    let said = || errors.iter().map(|e| e.text.as_str()).collect::<String>();

    if errors.is_empty() {
        return Err("it compiles".into());
    }
    for error in &errors {
        if !expected.iter().any(|e| e.is(error)) {
            let Diagnostic { code, message, .. } = error;
            return Err(format!("not expected: {code}: {message}\n\n{}", said()).into());
        }
    }
    for expected in &expected {
        if !errors.iter().any(|e| expected.is(e)) {
            return Err(format!("no such error: {expected:?}\n\n{}", said()).into());
        }
    }
    for words in mentions {
        if !errors.iter().any(|e| e.text.contains(words)) {
            return Err(format!("no error mentions `{words}`\n\n{}", said()).into());
        }
    }
    check_text(name, &errors)
}

/// The program compiles.
pub fn check_accepted(name: &str) -> Result<(), Failed> {
    /// All of them in one call of the compiler: is every one fine?
    static ALL_FINE: LazyLock<Result<bool, String>> = LazyLock::new(|| {
        let programs = names("accepted").into_iter().map(|name| {
            let program = format!("{CASES}/accepted/{name}.rs");
            (name, program)
        });
        Ok(compiler::check_together(&programs.collect::<Vec<_>>())?.is_empty())
    });
    if *ALL_FINE.as_ref()? {
        return Ok(());
    }
    // The compiler stops at a phase where one program has errors, so what it says of the others then is not all.
    let errors = compiler::check(&format!("{CASES}/accepted/{name}.rs"))?;
    if errors.is_empty() {
        return Ok(());
    }
    Err(errors
        .iter()
        .map(|e| e.text.as_str())
        .collect::<String>()
        .into())
}

/// Compares the errors with the `.stderr` beside the program, if there is one for this compiler.
fn check_text(name: &str, errors: &[Diagnostic]) -> Result<(), Failed> {
    let path = Path::new(ROOT)
        .join(CASES)
        .join(format!("refused/{name}.stderr"));
    let Ok(wanted) = fs::read_to_string(&path) else {
        return Ok(());
    };
    let rustc = format!("rustc {}", compiler::version()?);
    let program = format!("{CASES}/refused/{name}.rs");
    let text = errors
        .iter()
        .map(|e| plain(&e.text, &program))
        .collect::<Vec<_>>()
        .join("\n");
    let text = format!("{rustc}\n\n{text}");
    if std::env::var_os("COMPILE_FAIL").is_some_and(|v| v == "overwrite") {
        return fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()).into());
    }
    if wanted.lines().next() != Some(&rustc) || wanted == text {
        return Ok(());
    }
    let line = wanted
        .lines()
        .zip(text.lines())
        .take_while(|(w, t)| w == t)
        .count()
        + 1;
    let hint = "if the new text is the better one: COMPILE_FAIL=overwrite";
    Err(format!("{name}.stderr differs from line {line}; {hint}\n\n{text}").into())
}

/// The text without what differs between machines and with every edit elsewhere: where sources are kept, line numbers
/// of other files, the files rustc writes long types to, the length of lists.
fn plain(text: &str, program: &str) -> String {
    // Rustc writes line numbers into a margin as wide as the longest of them.
    let margin = text.lines().find_map(|line| line.find("--> ")).unwrap_or(0);
    let mut out = String::new();
    for line in text.lines() {
        let long = [
            "the full name for the type has been written to",
            "consider using `--verbose`",
        ];
        if long.iter().any(|l| line.contains(l)) {
            continue;
        }
        let line = match line.split_at_checked(margin) {
            Some((number, rest)) if number.bytes().all(|b| b == b' ') => format!("  {rest}"),
            Some((number, rest)) if number.trim().bytes().all(|b| b.is_ascii_digit()) => {
                format!("LL{rest}")
            }
            _ => line.to_owned(),
        };
        let line = match line.split_once("--> ").or_else(|| line.split_once("::: ")) {
            Some((before, place)) if before.trim().is_empty() && !place.starts_with(program) => {
                let file = place.split(':').next().unwrap_or_default();
                let file = match (
                    file.split_once("/registry/src/"),
                    file.split_once("/library/"),
                ) {
                    (Some((_, in_registry)), _) => in_registry.split_once('/').map_or("", |f| f.1),
                    (_, Some((_, in_std))) => in_std,
                    _ => file,
                };
                format!("{}{file}:LL:CC", &line[..line.len() - place.len()])
            }
            _ => line,
        };
        // How many more there are changes with every table of the hospital model.
        let line = match line.trim_start().strip_prefix("and ") {
            Some(rest) if rest.ends_with(" others") => line.replace(rest, "N others"),
            _ => line,
        };
        out += line.trim_end();
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// What the `//~` lines at the top expect: errors, and words that occur in them.
fn header(source: &str) -> Result<(Vec<Expected>, Vec<&str>), Failed> {
    let (mut expected, mut mentions) = (Vec::<Expected>::new(), Vec::new());
    for line in source.lines().map_while(|line| line.strip_prefix("//~ ")) {
        match line.split_once(": ") {
            Some(("mentions", words)) => mentions.push(words),
            Some(("message", words)) => {
                let last = expected
                    .last_mut()
                    .ok_or("a `message` before any error code")?;
                last.messages.push(words.to_owned());
            }
            _ => expected.push(Expected {
                code: line.to_owned(),
                messages: Vec::new(),
            }),
        }
    }
    if expected.is_empty() {
        return Err("its first line expects no error: `//~ E0277`".into());
    }
    Ok((expected, mentions))
}

fn body(source: &str) -> String {
    let lines = source.lines().skip_while(|line| line.starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn read(directory: &str, name: &str) -> Result<String, String> {
    let path = Path::new(ROOT)
        .join(CASES)
        .join(directory)
        .join(format!("{name}.rs"));
    fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}
