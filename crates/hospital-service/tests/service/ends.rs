//! How the program ends.
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Whoever supervises it sends SIGTERM, a terminal SIGINT: after both, requests are finished and what waits in memory for
/// the audit log is written.
#[test]
fn it_ends_in_order_whoever_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let mut service = Command::new(env!("CARGO_BIN_EXE_hospital-service"))
            .args(["--port", "0", "--data"])
            .arg(dir.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(service.stdout.take().unwrap());
        let mut lines = said.lines().map_while(Result::ok);
        let console = lines.find(|line| line.ends_with("/console"));
        assert!(console.is_some(), "it did not start");
        let kill = Command::new("kill")
            .args([signal, &service.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        // It goes on to say what there is, until it ends.
        lines.for_each(drop);
        assert_eq!(service.wait().unwrap().code(), Some(0), "{signal}");
    }
}
