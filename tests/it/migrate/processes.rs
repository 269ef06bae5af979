//! Several processes and threads, and processes that are killed.
use std::path::Path;
use std::sync::Barrier;

use super::*;
use crate::migrate::child;

/// The part of another process: for each path it hears, opens it, says so, and migrates when told to.
#[test]
fn plays_a_racer() {
    let Some(_) = child::part() else { return };
    let mut heard = child::heard();
    while let Some(path) = heard.next() {
        let mut conn = open(Path::new(&path));
        child::say("ready");
        assert_eq!(heard.next().as_deref(), Some("go"));
        match migrate(&mut conn, &five()) {
            Ok(applied) => child::say(applied.join(",")),
            Err(error) => child::say(format!("{error:?}")),
        }
    }
}

#[test]
fn eight_threads_and_two_processes_apply_each_migration_once() {
    let dir = crate::scratch::dir();
    let mut others = [(); 2].map(|()| child::spawn("migrate::processes::plays_a_racer", "", ""));
    let all: Vec<_> = five()
        .iter()
        .map(|script| script.version().to_owned())
        .collect();

    for round in 0..40 {
        let path = dir.path().join(format!("{round}"));
        drop(open(&path));
        for other in &mut others {
            other.tell(path.display());
            assert_eq!(other.hear(), "ready");
        }
        let start = Barrier::new(9);
        let mut applied: Vec<String> = std::thread::scope(|scope| {
            let race = || {
                let mut conn = open(&path);
                start.wait();
                migrate(&mut conn, &five())
            };
            let threads: Vec<_> = std::iter::repeat_with(|| scope.spawn(race))
                .take(8)
                .collect();
            start.wait();
            others.iter_mut().for_each(|other| other.tell("go"));
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap().unwrap())
                .collect()
        });
        for other in &mut others {
            applied.extend(
                other
                    .hear()
                    .split(',')
                    .filter(|it| !it.is_empty())
                    .map(str::to_owned),
            );
        }
        applied.sort();
        assert_eq!(applied, all, "in round {round}");
        assert_applied(&mut open(&path), &five(), 5);
    }
    for other in others {
        let (status, _) = other.wait();
        assert!(status.success(), "{status}");
    }
}

#[cfg(feature = "failpoints")]
mod failpoints {
    use std::os::unix::process::ExitStatusExt;
    use std::path::PathBuf;

    use diesel_tenants::migrate::{Verdict, status};

    use super::*;

    const MIGRATOR: &str = "migrate::processes::failpoints::plays_a_migrator";

    /// The part of another process: migrates a database and says what became of it.
    #[test]
    fn plays_a_migrator() {
        let Some(path) = child::part() else { return };
        match migrate(&mut open(Path::new(&path)), &five()) {
            Ok(applied) => child::say(applied.join(",")),
            Err(error) => child::say(error),
        }
    }

    /// A directory with a database in it.
    fn database() -> (tempfile::TempDir, PathBuf) {
        let dir = crate::scratch::dir();
        let path = dir.path().join("db");
        drop(open(&path));
        (dir, path)
    }

    /// The failpoints a whole run goes through, in order.
    fn trace() -> Vec<String> {
        let (dir, path) = database();
        let trace = dir.path().join("trace");
        let (status, _) =
            child::spawn(MIGRATOR, &path, &format!("trace:{}", trace.display())).wait();
        assert!(status.success());
        std::fs::read_to_string(trace)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_kill_at_any_step_leaves_whole_migrations_and_the_next_run_goes_on() {
        let trace = trace();
        let commits = |points: &[String]| {
            points
                .iter()
                .filter(|it| *it == "migrate.committed")
                .count()
        };
        // Five migrations of five steps, and three more for the one with foreign keys off.
        assert_eq!((trace.len(), commits(&trace)), (28, 5), "{trace:?}");

        for (index, point) in trace.iter().enumerate() {
            let nth = trace[..=index].iter().filter(|it| *it == point).count();
            let (_dir, path) = database();
            let (status, _) = child::spawn(MIGRATOR, &path, &format!("{point}:{nth}=kill")).wait();
            assert_eq!(status.signal(), Some(9), "{point}:{nth}");

            let mut conn = open(&path);
            let committed = commits(&trace[..=index]);
            assert_applied(&mut conn, &five(), committed);
            let rest = migrate(&mut conn, &five()).unwrap();
            assert_eq!(rest.len(), 5 - committed, "after {point}:{nth}");
            assert_applied(&mut conn, &five(), 5);
        }
    }

    #[test]
    fn a_panic_at_any_step_leaves_whole_migrations() {
        for (point, committed) in [("migrate.ledger:3", 2), ("migrate.foreign_key_check", 3)] {
            let (_dir, path) = database();
            let (status, _) = child::spawn(MIGRATOR, &path, &format!("{point}=panic")).wait();
            assert!(!status.success());
            assert_applied(&mut open(&path), &five(), committed);
        }
    }

    /// A migrator that stands still at `point` while the test does something, and what it says in the end.
    fn meanwhile(
        point: &str,
        act: impl FnOnce(&mut SqliteConnection),
    ) -> (Vec<String>, SqliteConnection, tempfile::TempDir) {
        let (dir, path) = database();
        let go_on = dir.path().join("go-on");
        let reached = dir.path().join("go-on.reached");
        let mut other = child::spawn(
            MIGRATOR,
            &path,
            &format!("{point}=pause:{}", go_on.display()),
        );
        other.wait_until(|| reached.exists());
        act(&mut open(&path));
        std::fs::File::create(&go_on).unwrap();
        let (status, said) = other.wait();
        assert!(status.success(), "{said:?}");
        (said, open(&path), dir)
    }

    #[test]
    fn what_another_process_did_in_the_meantime_is_not_done_again() {
        // It has read the ledger, found everything pending, and not yet taken the lock.
        let (said, mut conn, _dir) = meanwhile("migrate.begin", |conn| {
            assert_eq!(migrate(conn, &five()).unwrap().len(), 5);
        });
        assert_eq!(said, [""]);
        assert_applied(&mut conn, &five(), 5);
    }

    #[test]
    fn a_newer_program_in_the_meantime_stops_the_older_one() {
        let newer = with(&five(), script("0006", "SELECT 1;"));
        let (said, mut conn, _dir) = meanwhile("migrate.begin:3", |conn| {
            assert_eq!(migrate(conn, &newer).unwrap().len(), 4);
        });
        assert_eq!(
            said,
            [
                "the schema is at `0006`, the newest this program knows is `0005`; deploy the newer program"
            ]
        );
        assert_applied(&mut conn, &newer, 6);
    }

    #[test]
    fn a_migration_under_way_keeps_others_out_and_readers_in() {
        let (said, mut conn, _dir) = meanwhile("migrate.script:3", |conn| {
            conn.batch_execute("PRAGMA busy_timeout = 0").unwrap();
            assert!(matches!(
                migrate(conn, &five()),
                Err(MigrateError::Locked { .. })
            ));
            let verdict = status(conn, &five()).unwrap().verdict;
            assert_eq!(verdict, Verdict::Behind { pending: 3 });
            assert_applied(conn, &five(), 2);
        });
        assert_eq!(said, ["0001,0002,0003,0004,0005"]);
        assert_applied(&mut conn, &five(), 5);
    }
}
