//! Who is alive, and who holds a lock, is the kernel's to say: a killed process lets go of everything.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use diesel_tenants::backend::sqlite::instance::{self, Instance};
use diesel_tenants::backend::sqlite::lock::{DirLock, LockError};
use diesel_tenants::backend::sqlite::root::Root;
use uuid::Uuid;

use crate::child::Child;

fn root() -> (tempfile::TempDir, Root) {
    let home = tempfile::tempdir().unwrap();
    let root = Root::init(home.path().join("data")).unwrap();
    (home, root)
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn is_busy(lock: Result<DirLock, LockError>) -> bool {
    matches!(lock, Err(LockError::Timeout { .. }))
}

#[test]
fn a_live_instance_is_alive_and_survives_a_sweep() {
    let (_home, root) = root();
    let me = Instance::register(&root).unwrap();
    assert!(instance::is_alive(&root, me.id()).unwrap());
    assert_eq!(instance::sweep(&root).unwrap(), 0);
    assert!(instance::is_alive(&root, me.id()).unwrap());
}

#[test]
fn a_dropped_instance_is_dead_and_leaves_nothing() {
    let (_home, root) = root();
    let me = Instance::register(&root).unwrap();
    let id = me.id();
    drop(me);
    assert!(!instance::is_alive(&root, id).unwrap());
    assert_eq!(files_in(&root.instances()), [] as [PathBuf; 0]);
}

#[test]
fn an_instance_that_never_was_is_dead() {
    let (_home, root) = root();
    assert!(!instance::is_alive(&root, Uuid::now_v7()).unwrap());
}

#[test]
fn a_killed_process_is_dead_and_its_locks_are_free() {
    let (_home, root) = root();
    let mut child = Child::start("hold", root.path());
    let id: Uuid = child.hear().parse().unwrap();
    assert!(instance::is_alive(&root, id).unwrap());
    assert_eq!(instance::sweep(&root).unwrap(), 0);
    assert!(is_busy(DirLock::lock(&root, "work", Duration::ZERO)));

    child.kill();
    assert!(!instance::is_alive(&root, id).unwrap());
    DirLock::lock(&root, "work", Duration::ZERO).unwrap();
    assert_eq!(instance::sweep(&root).unwrap(), 1);
    assert_eq!(files_in(&root.instances()), [] as [PathBuf; 0]);
    assert!(!instance::is_alive(&root, id).unwrap());
}

/// A child process inherits every descriptor that is not close-on-exec, and with it the lock.
#[test]
fn a_program_started_by_a_killed_process_does_not_keep_it_alive() {
    let (_home, root) = root();
    let mut child = Child::start("hold and have a child", root.path());
    let id: Uuid = child.hear().parse().unwrap();
    assert!(instance::is_alive(&root, id).unwrap());

    child.kill();
    // The grandchild is `cat` on the same pipes: it still echoes.
    child.tell("child says still here");
    assert_eq!(child.hear(), "still here");
    assert!(!instance::is_alive(&root, id).unwrap());
    DirLock::lock(&root, "work", Duration::ZERO).unwrap();
}

/// Were an instance seen under its name before it is locked, a sweep at that moment would remove it.
#[test]
fn a_starting_instance_is_never_taken_for_a_dead_one() {
    let (_home, root) = root();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sweeper = scope.spawn(|| {
            let mut removed = 0;
            while !done.load(Ordering::Relaxed) {
                removed += instance::sweep(&root).unwrap();
            }
            removed
        });
        let starter = scope.spawn(|| {
            for _ in 0..5_000 {
                let me = Instance::register(&root).unwrap();
                assert!(instance::is_alive(&root, me.id()).unwrap());
            }
        });
        let started = starter.join();
        done.store(true, Ordering::Relaxed);
        let removed = sweeper.join().unwrap();
        started.unwrap();
        assert_eq!(removed, 0);
    });
}

#[test]
fn several_may_ask_about_a_dead_instance_at_once() {
    let (_home, root) = root();
    let id = Uuid::now_v7();
    std::fs::write(root.instances().join(id.to_string()), "").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    assert!(!instance::is_alive(&root, id).unwrap());
                }
            });
        }
    });
}

#[test]
fn unfinished_registrations_are_swept_when_old_and_unlocked() {
    let (_home, root) = root();
    let leftover = |age: Duration| {
        let path = root.instances().join(format!(".new-{}", Uuid::now_v7()));
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        (path, file)
    };
    let (young, _) = leftover(Duration::from_secs(60));
    let (old, _) = leftover(Duration::from_secs(2 * 3600));
    let (locked, file) = leftover(Duration::from_secs(2 * 3600));
    file.try_lock().unwrap();

    assert_eq!(instance::sweep(&root).unwrap(), 1);
    assert!(young.exists() && locked.exists() && !old.exists());
}

#[test]
fn files_of_others_are_not_swept() {
    let (_home, root) = root();
    let id = Uuid::now_v7();
    let names = [
        "README".to_owned(),
        id.simple().to_string(),
        format!("{id}.bak"),
    ];
    for name in &names {
        std::fs::write(root.instances().join(name), "").unwrap();
    }
    assert_eq!(instance::sweep(&root).unwrap(), 0);
    assert_eq!(files_in(&root.instances()).len(), names.len());
}

#[test]
fn a_link_in_place_of_an_instance_is_not_followed() {
    let (home, root) = root();
    let id = Uuid::now_v7();
    let target = home.path().join("elsewhere");
    std::fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, root.instances().join(id.to_string())).unwrap();
    let error = instance::is_alive(&root, id).unwrap_err();
    assert!(error.to_string().starts_with("cannot open"), "{error}");
}

#[test]
fn a_lock_excludes_threads_of_the_same_process_and_its_file_stays() {
    let (_home, root) = root();
    let held = DirLock::lock(&root, "work", Duration::ZERO).unwrap();
    assert!(is_busy(DirLock::lock(&root, "work", Duration::ZERO)));
    DirLock::lock(&root, "other-work", Duration::ZERO).unwrap();
    let path = held.path().to_owned();
    drop(held);
    assert!(path.exists());
    DirLock::lock(&root, "work", Duration::ZERO).unwrap();
}

#[test]
fn waiting_for_a_lock_ends_in_time_and_says_how_long_it_took() {
    let (_home, root) = root();
    let _held = DirLock::lock(&root, "work", Duration::ZERO).unwrap();
    let wait = Duration::from_millis(30);
    let started = Instant::now();
    let error = DirLock::lock(&root, "work", wait).unwrap_err();
    assert!(
        matches!(error, LockError::Timeout { waited, .. } if waited >= wait && waited <= started.elapsed())
    );
    assert!(
        error
            .to_string()
            .starts_with("lock `work` was not free within")
    );
}

#[test]
fn a_waiter_gets_the_lock_when_its_holder_is_killed() {
    let (_home, root) = root();
    let mut child = Child::start("hold", root.path());
    child.hear();
    std::thread::scope(|scope| {
        let (waiting, about_to_wait) = std::sync::mpsc::channel();
        let root = &root;
        let waiter = scope.spawn(move || {
            assert!(is_busy(DirLock::lock(root, "work", Duration::ZERO)));
            waiting.send(()).unwrap();
            DirLock::lock(root, "work", Duration::MAX)
        });
        about_to_wait.recv().unwrap();
        child.kill();
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn lock_names_are_names_of_files_in_one_directory() {
    let (_home, root) = root();
    let long = "x".repeat(65);
    for name in [
        "",
        ".",
        "..",
        "../shared",
        "a/b",
        "A",
        "a b",
        "a\0",
        "é",
        &long,
    ] {
        let error = DirLock::lock(&root, name, Duration::ZERO).unwrap_err();
        assert!(
            matches!(error, LockError::InvalidName { .. }),
            "{name:?}: {error}"
        );
    }
    assert_eq!(files_in(&root.locks()), [] as [PathBuf; 0]);
}
