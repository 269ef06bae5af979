//! Other processes: killed at every step and at system calls, failed by single calls, and two at once.
use std::path::Path;

use super::*;
use crate::actors::{Actor, say, told};
use crate::app::hospitals;
use crate::crashes::{self, Operation};
use crate::world;

/// The parts other processes play here.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    match part {
        "admit" => {
            let tenancy = builder(root).open().unwrap();
            let done = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
            done.unwrap();
            say("admitted");
        }
        "admit and fail" => {
            let tenancy = builder(root).open().unwrap();
            let refused = with_trouble("Ada", "patient");
            let failed = tenancy.run_workflow(&Admission, &id(), key("k"), refused);
            assert!(matches!(failed, Err(WorkflowError::Failed { .. })));
            say("failed");
        }
        "onboard" => {
            let tenancy = builder(root).open().unwrap();
            let done = tenancy.run_workflow(&Onboarding, &id(), key("k"), who("Teaching"));
            done.unwrap();
            say("onboarded");
        }
        "onboard and fail" => {
            let tenancy = builder(root).open().unwrap();
            let refused = with_trouble("Teaching", "open");
            let failed = tenancy.run_workflow(&Onboarding, &id(), key("k"), refused);
            assert!(
                matches!(failed, Err(WorkflowError::Failed { .. })),
                "{failed:?}"
            );
            say("failed");
        }
        // Some system call of the first attempt may fail.
        "admit twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let first = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
            say(match &first {
                Ok(_) => "admitted".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            let again = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
            let again = again.unwrap();
            if let Ok(first) = first {
                assert_eq!(first, again);
            }
            assert_eq!(agreed(&tenancy), ["Ada"]);
            say("done");
        }
        // Admits whoever is named, under the key that is named, when told.
        "admit when told" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            loop {
                let word = told();
                if word.is_empty() {
                    return true;
                }
                loop {
                    match tenancy.run_workflow(&Admission, &id(), key(&word), who(&word)) {
                        Ok((user, patient)) => break say(format!("{user} {patient}")),
                        Err(WorkflowError::InProgress { .. }) => std::thread::yield_now(),
                        Err(other) => break say(format!("{other:?}")),
                    }
                }
            }
        }
        _ => return given_up::play(part, root),
    }
    true
}

const ADMIT: Operation = Operation {
    part: "admit",
    before: crashes::with_rows,
    outcome: |tenancy| {
        let done = !agreed(tenancy).is_empty();
        // Asked for again it is done once, or for the first time.
        let first = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
        let again = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
        assert_eq!(first.unwrap(), again.unwrap());
        assert_eq!(agreed(tenancy), ["Ada"]);
        done
    },
};

const ADMIT_AND_FAIL: Operation = Operation {
    part: "admit and fail",
    before: crashes::with_rows,
    outcome: |tenancy| {
        assert!(agreed(tenancy).is_empty());
        false
    },
};

fn hospital_names(tenancy: &Tenancy) -> Vec<String> {
    let names = hospitals::table.select(hospitals::name);
    names.load(&mut tenancy.shared().unwrap()).unwrap()
}

fn onboarded(tenancy: &Tenancy) -> bool {
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    match (
        hospital_names(tenancy).as_slice(),
        tenancy.tenants().unwrap().as_slice(),
    ) {
        ([], []) => false,
        ([name], [tenant]) => {
            assert_eq!((name.as_str(), tenant.status), ("Teaching", Status::Active));
            assert_eq!(world::rows(tenancy), ["first"]);
            true
        }
        more => panic!("{more:?}"),
    }
}

const ONBOARD: Operation = Operation {
    part: "onboard",
    before: |root| drop(builder(root).open().unwrap()),
    outcome: |tenancy| {
        let done = onboarded(tenancy);
        // The id is free, or its own.
        let again = tenancy.run_workflow(&Onboarding, &id(), key("k"), who("Teaching"));
        again.unwrap();
        assert!(onboarded(tenancy));
        done
    },
};

const ONBOARD_AND_FAIL: Operation = Operation {
    part: "onboard and fail",
    before: |root| drop(builder(root).open().unwrap()),
    outcome: |tenancy| {
        assert!(!onboarded(tenancy));
        false
    },
};

#[cfg(feature = "failpoints")]
mod failpoints {
    use super::*;

    #[test]
    fn admission_at_every_step() {
        crashes::failpoints::every_step(&ADMIT, 5);
    }

    #[test]
    fn a_failing_admission_at_every_step() {
        crashes::failpoints::many_steps(&ADMIT_AND_FAIL, 6);
    }

    #[test]
    fn onboarding_at_every_step() {
        crashes::failpoints::many_steps(&ONBOARD, 10);
    }

    #[test]
    fn a_failing_onboarding_at_every_step() {
        crashes::failpoints::many_steps(&ONBOARD_AND_FAIL, 12);
    }
}

#[test]
fn killed_at_any_system_call_it_is_both_sides_or_neither() {
    if !crashes::strace_works() {
        return;
    }
    let kills = crashes::kill_at_system_calls(&ADMIT) + crashes::kill_at_system_calls(&ONBOARD);
    assert!(kills >= 20, "{kills}: the sweep did not get far");
}

#[test]
fn failing_at_any_system_call_it_is_done_or_undone_by_the_next_attempt() {
    if !crashes::strace_works() {
        return;
    }
    let failures = crashes::fail_at_system_calls("admit twice", &ADMIT);
    assert!(failures >= 3, "{failures}: the sweep did not get far");
}

#[test]
fn of_two_processes_with_one_key_one_admits_and_both_are_told() {
    let fleet = hospital();
    let mut processes = [0, 1].map(|_| Actor::spawn("admit when told", &fleet.root));
    for process in &mut processes {
        assert_eq!(process.hear().unwrap(), "ready");
    }
    let mut expected = Vec::new();
    for round in 0..10 {
        let name = format!("patient {round:02}");
        processes.iter_mut().for_each(|process| process.tell(&name));
        let [one, other] = processes.each_mut().map(|process| process.hear().unwrap());
        assert_eq!(one, other, "{name}");
        assert!(one.starts_with(|c: char| c.is_ascii_digit()), "{one}");
        expected.push(name);
    }
    assert_eq!(agreed(&fleet.tenancy), expected);
}
