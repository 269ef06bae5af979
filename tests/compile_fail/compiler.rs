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
    /// What every call of `rustc` needs to find the library, Diesel and the application.
    externs: Vec<OsString>,
    /// Where crates and the wrapper go; this process's own.
    scratch: PathBuf,
    /// `1.95.0`.
    version: String,
}

/// The errors of one program, a path relative to [`ROOT`].
pub fn check(program: &str) -> Result<Vec<Diagnostic>, String> {
    let compiler = COMPILER.as_ref()?;
    compiler.rustc(Path::new(program), "case", &compiler.externs)
}

/// The errors of many programs, compiled as modules of one.
pub fn check_together(programs: &[(String, String)]) -> Result<Vec<Diagnostic>, String> {
    let compiler = COMPILER.as_ref()?;
    let mut modules = String::new();
    for (name, program) in programs {
        modules += &format!(
            "#[path = {:?}]\nmod {name};\n",
            Path::new(ROOT).join(program)
        );
    }
    let wrapper = compiler.scratch.join("together.rs");
    fs::write(&wrapper, modules).map_err(|e| format!("cannot write {}: {e}", wrapper.display()))?;
    compiler.rustc(&wrapper, "together", &compiler.externs)
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
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("compile_fail-{}", std::process::id()));
        fs::create_dir_all(&scratch)
            .map_err(|e| format!("cannot make {}: {e}", scratch.display()))?;

        let version = Command::new(rustc()).arg("--version").output();
        let version = version.map_err(|e| format!("cannot run rustc: {e}"))?;
        let version = String::from_utf8_lossy(&version.stdout);
        let version = version.split(' ').nth(1).unwrap_or_default().to_owned();

        let mut compiler = Self {
            externs: libraries()?,
            scratch,
            version,
        };
        let schema = compiler.rustc(
            Path::new(&format!("{CASES}/support/schema.rs")),
            "schema",
            &compiler.externs,
        )?;
        if let Some(error) = schema.first() {
            return Err(format!(
                "the application of the cases does not compile:\n{}",
                error.text
            ));
        }
        compiler.externs.extend(["--extern".into(), {
            let mut schema = OsString::from("schema=");
            schema.push(compiler.scratch.join("libschema.rmeta"));
            schema
        }]);
        Ok(compiler)
    }

    fn rustc(
        &self,
        program: &Path,
        crate_name: &str,
        externs: &[OsString],
    ) -> Result<Vec<Diagnostic>, String> {
        // Two cases run at a time; each writes a file of its own.
        let stem = program.file_stem().unwrap_or_default().to_string_lossy();
        let out = match crate_name {
            "schema" => self.scratch.join("libschema.rmeta"),
            _ => self.scratch.join(format!("{crate_name}-{stem}.rmeta")),
        };
        let mut child = Command::new(rustc())
            .current_dir(ROOT)
            .args([
                "--edition=2024",
                "--crate-type=lib",
                "--emit=metadata",
                "--cap-lints=allow",
            ])
            .args(["--error-format=json", "--diagnostic-width=140"])
            .args(["--crate-name", crate_name])
            .args(externs)
            .arg("-o")
            .arg(&out)
            .arg(program)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
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
            return Err(format!(
                "rustc gave no answer on {} in {LIMIT:?}",
                program.display()
            ));
        };
        let text = text.map_err(|e| format!("cannot read what rustc says: {e}"))?;
        let status = child
            .wait()
            .map_err(|e| format!("cannot wait for rustc: {e}"))?;

        let found = diagnostics(&text);
        if status.success() != found.is_empty() {
            return Err(format!(
                "rustc ended with {status} on {}:\n{text}",
                program.display()
            ));
        }
        Ok(found)
    }
}

fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// The errors in what `rustc --error-format=json` prints, without the summary that ends them.
fn diagnostics(json: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for value in json
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let spans = value["spans"].as_array();
        if value["level"] == "error" && spans.is_some_and(|spans| !spans.is_empty()) {
            found.push(Diagnostic {
                code: value["code"]["code"].as_str().unwrap_or("error").to_owned(),
                message: string(&value["message"]),
                text: string(&value["rendered"]),
            });
        }
    }
    found
}

/// Asks `cargo` where the library and Diesel are that this test was built with.
///
/// The directory may hold several copies of each; the one `cargo` names is the one whose features are ours. It builds
/// nothing, for it has just built the same.
fn libraries() -> Result<Vec<OsString>, String> {
    let mut features = Vec::new();
    macro_rules! features { ($($name:literal)*) => { $( if cfg!(feature = $name) { features.push($name); } )* } }
    features!("sqlite" "hospital" "testing" "failpoints");

    // …/target/[triple/]profile/deps/compile_fail-…
    let exe = env::current_exe().map_err(|e| format!("cannot find this test: {e}"))?;
    let profile = exe
        .ancestors()
        .nth(2)
        .and_then(Path::file_name)
        .unwrap_or_default();
    let above = exe.ancestors().nth(3).unwrap_or(Path::new(""));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap_or(above);

    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    cargo.current_dir(ROOT);
    cargo.args([
        "test",
        "--no-run",
        "--offline",
        "--test=compile_fail",
        "--message-format=json",
    ]);
    cargo.args(["--no-default-features", "--features", &features.join(",")]);
    cargo.arg("--target-dir").arg(target);
    if above != target {
        cargo
            .arg("--target")
            .arg(above.file_name().unwrap_or_default());
    }
    if profile != "debug" {
        cargo.arg("--profile").arg(profile);
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
    let json = String::from_utf8_lossy(&output.stdout);
    for message in json
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let files = message["filenames"].as_array().into_iter().flatten();
        for file in files.filter_map(Value::as_str).map(Path::new) {
            directories.extend(file.parent().map(Path::to_owned));
            let name = message["target"]["name"].as_str().unwrap_or_default();
            let wanted = matches!(name, "diesel" | "diesel_tenants");
            if wanted && file.extension().is_some_and(|e| e == "rlib") {
                arguments.push("--extern".into());
                let mut file_of = OsString::from(format!("{name}="));
                file_of.push(file);
                arguments.push(file_of);
            }
        }
    }
    if arguments.len() != 4 {
        return Err(format!(
            "cargo names one diesel and one diesel_tenants, not {arguments:?}"
        ));
    }
    for directory in directories {
        arguments.push("-L".into());
        let mut dependency = OsString::from("dependency=");
        dependency.push(directory);
        arguments.push(dependency);
    }
    Ok(arguments)
}
