//! The mistake that the README makes on purpose: rustc says of it what stands there.
use std::fs;
use std::path::Path;

use libtest_mimic::Failed;

use crate::compiler::{self, ROOT};

const EXAMPLE: &str = "examples/quickstart.rs";

/// Makes the mistake in the example, and compares what rustc says with the README, on the compiler it names only.
pub fn check_mistake() -> Result<(), Failed> {
    let readme = read("README.md")?;
    let mistake = between(&readme, "Now a mistake. Put `", "`")?;
    let compiler = between(&readme, "rustc (", ")")?;
    let (_, after) = readme.split_once(mistake).ok_or("it was found above")?;
    let wanted = between(after, "```text\n", "```")?;

    let example = read(EXAMPLE)?;
    let body = "    ctx.transaction(|ctx| {\n";
    if example.matches(body).count() != 1 {
        return Err(format!("{EXAMPLE} has not one line `{}`", body.trim()).into());
    }
    let mistaken = example.replace(body, &format!("{body}        {mistake}\n"));
    let errors = compiler::check_text(EXAMPLE, &mistaken)?;
    let [error] = &errors[..] else {
        let said = errors.iter().map(|error| error.text.as_str());
        return Err(format!("not one error:\n{}", said.collect::<String>()).into());
    };
    let same = error.text.starts_with(wanted.trim_end());
    if same || !compiler::version()?.starts_with(&format!("{compiler}.")) {
        return Ok(());
    }
    Err(format!("the README has\n{wanted}\nand rustc says\n{}", error.text).into())
}

fn read(file: &str) -> Result<String, Failed> {
    let path = Path::new(ROOT).join(file);
    fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()).into())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Result<&'a str, Failed> {
    let found = text
        .split_once(before)
        .and_then(|(_, rest)| rest.split_once(after));
    let (found, _) = found.ok_or_else(|| format!("the README has no `{before}…{after}`"))?;
    Ok(found)
}
