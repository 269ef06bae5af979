//! Whatever fails or is killed on the way, the tenant is there whole or not at all, and the original as it was.
use super::*;

/// The parts that child processes play here.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    let adopt = |tenancy: &Tenancy| {
        tenancy.adopt(
            &id("TH001"),
            new(),
            old(root),
            &renamed(),
            &AdoptOptions::default(),
        )
    };
    match part {
        "adopt" => {
            let tenancy = builder(root).open().unwrap();
            adopt(&tenancy).unwrap();
            say("adopted");
        }
        "adopt twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let first = adopt(&tenancy);
            say(match &first {
                Ok(_) => "adopted".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            if first.is_err() {
                adopt(&tenancy).unwrap();
            }
            assert_eq!(world::rows(&tenancy).len(), 3);
            say("done");
        }
        "inspect twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let inspect = || tenancy.inspect(old(root), &renamed());
            say(match inspect() {
                Ok(_) => "inspected".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            inspect().unwrap();
            say("done");
        }
        "adopt without descriptors" => {
            let tenancy = builder(root).open().unwrap();
            say(crashes::starve(&tenancy, || adopt(&tenancy).is_ok()).unwrap());
            assert_eq!(world::rows(&tenancy).len(), 3);
            say("done");
        }
        _ => return false,
    }
    true
}

const OPERATION: Operation = Operation {
    part: "adopt",
    before: |root| {
        drop(builder(root).open().unwrap());
        let path = old(root);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        made_of(&path, OLD);
        std::fs::copy(&path, root.with_file_name("as it was")).unwrap();
    },
    outcome: |tenancy| {
        let root = root_of(tenancy);
        let path = old(&root);
        assert!(
            std::fs::read(&path).unwrap()
                == std::fs::read(root.with_file_name("as it was")).unwrap()
        );
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
        let there = !tenancy.tenants().unwrap().is_empty();
        if !there {
            tenancy
                .adopt(
                    &id("TH001"),
                    new(),
                    &path,
                    &renamed(),
                    &AdoptOptions::default(),
                )
                .unwrap();
        }
        assert_eq!(world::rows(tenancy), ["Ada", "Ben", "Cy the long-named"]);
        there
    },
};

#[cfg(feature = "failpoints")]
#[test]
fn adopt_at_every_step() {
    crashes::failpoints::every_step(&OPERATION, 14);
}

#[test]
fn killed_at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    let kills = crashes::kill_at_system_calls(&OPERATION);
    assert!(kills >= 15, "{kills}: the sweep did not get far");
}

#[test]
fn failing_at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    let failures = crashes::fail_at_system_calls("adopt twice", &OPERATION);
    assert!(failures >= 5, "{failures}: the sweep did not get far");
}

#[test]
fn the_power_fails_at_any_moment() {
    if !crashes::strace_works() {
        return;
    }
    let failures = crate::power::fail_power(&OPERATION);
    assert!(failures >= 10, "{failures}: the sweep did not get far");
}

#[test]
fn without_descriptors_it_fails_whole() {
    let dir = crate::scratch::dir();
    let root = dir.path().join("data");
    (OPERATION.before)(&root);
    let mut actor = crate::actors::Actor::spawn("adopt without descriptors", &root);
    let spare: usize = actor.hear().unwrap().parse().unwrap();
    assert!(spare >= 3, "{spare}");
    assert_eq!(actor.hear().as_deref(), Some("done"));
    drop(actor);
    assert!((OPERATION.outcome)(&world::check(&root)));
}
