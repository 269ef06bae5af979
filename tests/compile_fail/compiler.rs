//! Runs `rustc` against the library as `cargo` built it.
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// A compiler that runs longer is stuck: no case takes a second.
const LIMIT: Duration = Duration::from_secs(120);

/// The package. The compiler runs here, so that it prints paths relative to it.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The cases.
pub const CASES: &str = "tests/compile_fail";

static COMPILER: LazyLock<Result<Compiler, String>> = LazyLock::new(Compiler::find);

/// An error the compiler found.
pub struct Diagnostic {
    /// `E0277`, or `error` where it has none.
    pub code: String,
    /// The first line.
    pub message: String,
    /// All of it, as a user sees it.
    pub text: String,
}

struct Compiler {
    /// Tells `rustc` where the library, Diesel and the application are.
    crates: Vec<OsString>,
    /// Where compiled crates go; this process's own.
    scratch: PathBuf,
    /// `1.95.0`.
    version: String,
}

/// The errors of one program, a path relative to [`ROOT`].
pub fn check(program: &str) -> Result<Vec<Diagnostic>, String> {
    COMPILER.as_ref()?.rustc(Path::new(program))
}

/// The errors of many programs, compiled as modules of one.
pub fn check_together(programs: &[(String, String)]) -> Result<Vec<Diagnostic>, String> {
    let compiler = COMPILER.as_ref()?;
    let mut modules = String::new();
    for (name, program) in programs {
        let path = Path::new(ROOT).join(program);
        modules += &format!("#[path = {path:?}]\nmod {name};\n");
    }
    let all = compiler.scratch.join("all_of_them.rs");
    fs::write(&all, modules).map_err(|e| format!("cannot write {}: {e}", all.display()))?;
    compiler.rustc(&all)
}

/// The errors of a program that is another text than what stands in `file`, as if it stood there.
pub fn check_text(file: &str, text: &str) -> Result<Vec<Diagnostic>, String> {
    let compiler = COMPILER.as_ref()?;
    let (_, name) = file.rsplit_once('/').unwrap_or(("", file));
    let program = compiler.scratch.join(name);
    fs::write(&program, text).map_err(|e| format!("cannot write {}: {e}", program.display()))?;
    let mut errors = compiler.rustc(&program)?;
    let written = program.display().to_string();
    for error in &mut errors {
        error.text = error.text.replace(&written, file);
    }
    Ok(errors)
}

/// The compiler's version.
pub fn version() -> Result<&'static str, String> {
    Ok(&COMPILER.as_ref()?.version)
}

/// Removes what was compiled.
pub fn clean_up() {
    if let Some(Ok(compiler)) = LazyLock::get(&COMPILER) {
        let _ = fs::remove_dir_all(&compiler.scratch);
    }
}

impl Compiler {
    fn find() -> Result<Self, String> {
        let own = format!("compile_fail-{}", std::process::id());
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(own);
        fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;

        let output = Command::new(rustc()).arg("--version").output();
        let output = output.map_err(|e| format!("cannot run rustc: {e}"))?;
        let output = String::from_utf8_lossy(&output.stdout);
        let version = output.split(' ').nth(1).unwrap_or_default().to_owned();

        let mut compiler = Self {
            crates: libraries()?,
            scratch,
            version,
        };
        let schema = format!("{CASES}/support/schema.rs");
        if let Some(error) = compiler.rustc(Path::new(&schema))?.first() {
            return Err(format!("{schema} does not compile:\n{}", error.text));
        }
        let schema = compiler.scratch.join("libschema.rmeta");
        compiler
            .crates
            .extend(["--extern".into(), joined("schema=", &schema)]);
        Ok(compiler)
    }

    fn rustc(&self, program: &Path) -> Result<Vec<Diagnostic>, String> {
        let mut command = Command::new(rustc());
        command.current_dir(ROOT).arg(program).args(&self.crates);
        command.args(["--edition=2024", "--crate-type=lib", "--emit=metadata"]);
        command.args([
            "--error-format=json",
            "--diagnostic-width=140",
            "--cap-lints=allow",
        ]);
        command.arg("--out-dir").arg(&self.scratch);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|e| format!("cannot run rustc: {e}"))?;

        let mut pipe = child.stderr.take().expect("it was asked for above");
        let (send, receive) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            let read = pipe.read_to_string(&mut text).map(|_| text);
            let _ = send.send(read);
        });
        let Ok(text) = receive.recv_timeout(LIMIT) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("rustc gave no answer in {LIMIT:?}"));
        };
        let text = text.map_err(|e| format!("cannot read what rustc says: {e}"))?;
        let status = child
            .wait()
            .map_err(|e| format!("cannot wait for rustc: {e}"))?;

        let found = diagnostics(&text);
        // It may also fail at what is no error of the program, or crash.
        if status.success() != found.is_empty() {
            return Err(format!("rustc ended with {status}:\n{text}"));
        }
        Ok(found)
    }
}

fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut all = OsString::from(option);
    all.push(path);
    all
}

/// The messages of a tool that prints one JSON object a line.
fn messages(json: &str) -> impl Iterator<Item = Value> {
    json.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}

/// The errors `rustc` prints, without the summary that ends them.
fn diagnostics(json: &str) -> Vec<Diagnostic> {
    let has_place = |m: &Value| m["spans"].as_array().is_some_and(|spans| !spans.is_empty());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    messages(json)
        .filter(|m| m["level"] == "error" && has_place(m))
        .map(|m| Diagnostic {
            code: m["code"]["code"].as_str().unwrap_or("error").to_owned(),
            message: text(&m["message"]),
            text: text(&m["rendered"]),
        })
        .collect()
}

/// Asks `cargo` where the library and the Diesel are that this test was built with.
///
/// The directory may hold several copies of each; `cargo` names those whose features are ours. It builds nothing, for
/// it has just built the same (not so in another profile or for another target, where it builds its own).
fn libraries() -> Result<Vec<OsString>, String> {
    let mut features = Vec::new();
    macro_rules! add_enabled {
        ($($name:literal)*) => { $( if cfg!(feature = $name) { features.push($name); } )* };
    }
    add_enabled!("sqlite" "hospital" "testing" "failpoints");

    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    cargo.current_dir(ROOT);
    cargo.args(["test", "--no-run", "--offline", "--test=compile_fail"]);
    cargo.args(["--message-format=json", "--no-default-features"]);
    cargo.args(["--features", &features.join(",")]);
    if let Some(target) = Path::new(env!("CARGO_TARGET_TMPDIR")).parent() {
        cargo.arg("--target-dir").arg(target);
    }
    let output = cargo
        .output()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "cargo cannot say what this test was built with:\n{errors}"
        ));
    }

    let mut directories = BTreeSet::new();
    let mut arguments = Vec::new();
    for message in messages(&String::from_utf8_lossy(&output.stdout)) {
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let wanted = matches!(name, "diesel" | "diesel_tenants" | "tempfile");
        let files = message["filenames"].as_array().into_iter().flatten();
        for file in files.filter_map(Value::as_str).map(Path::new) {
            directories.extend(file.parent().map(Path::to_owned));
            if wanted && file.extension().is_some_and(|e| e == "rlib") {
                arguments.extend(["--extern".into(), joined(&format!("{name}="), file)]);
            }
        }
    }
    if arguments.len() != 6 {
        return Err(format!(
            "cargo names not one diesel, one diesel_tenants and one tempfile: {arguments:?}"
        ));
    }
    for directory in directories {
        arguments.extend(["-L".into(), joined("dependency=", &directory)]);
    }
    Ok(arguments)
}
