//! Files that are whole when they are looked at first, and not what they should be.
use super::*;

/// A file with a log that nobody has open is read without a lock, so it is compared afterwards.
#[cfg(feature = "failpoints")]
#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    for (part, point) in [
        ("adopt twice", "adopt.staged"),
        ("inspect twice", "inspect.read"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        drop(builder(&root).open().unwrap());
        let path = old(&root);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        made_of(&path, &format!("PRAGMA journal_mode = WAL; {OLD}"));
        let go_on = dir.path().join("go on");
        let mut command = crate::actors::command(part, &root);
        let pause = format!("{point}=pause:{}", go_on.display());
        command.env("DIESEL_TENANTS_FAILPOINT", pause);
        let mut actor = crate::actors::Actor::from(command);
        assert_eq!(actor.hear().as_deref(), Some("ready"));
        actor.tell("go on");
        while !dir.path().join("go on.reached").exists() {
            assert!(!actor.is_gone());
            std::thread::yield_now();
        }
        made_of(&path, "INSERT INTO visits VALUES (2, 'meanwhile', 2)");
        std::fs::File::create(&go_on).unwrap();
        let said = actor.hear().unwrap();
        assert!(said.starts_with("Changed"), "{part}: {said}");
        actor.tell("go on");
        assert_eq!(actor.hear().as_deref(), Some("done"), "{part}");
    }
}

/// SQLite reads as many pages as the first one says and is content; what is behind them is somebody's all the same.
#[test]
fn bytes_behind_the_last_page_are_refused() {
    let fleet = fleet();
    let path = old_home(&fleet).join("db.sqlite3");
    made_of(&path, OLD);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend([7; 100]);
    std::fs::write(&path, bytes).unwrap();
    let inspected = fleet.tenancy.inspect(&path, &renamed());
    assert!(
        matches!(inspected, Err(AdoptError::Damaged { .. })),
        "{inspected:?}"
    );
}
