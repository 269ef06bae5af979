//! Other processes: killed at every step and at system calls, and two at once.
use std::path::Path;

use super::super::open;
use super::*;
use crate::actors::{Actor, say, told};
use crate::crashes::{self, Operation, Program};

/// The parts other processes play here.
pub(in crate::services) fn play(part: &str, root: &Path) -> bool {
    match part {
        "open the service" => {
            drop(open(root));
            say("opened");
        }
        "register" => {
            ask(&open(root), key("k"), &asked(CODE)).unwrap();
            say("registered");
        }
        "register what is taken" => {
            let mut wanted = asked(CODE);
            wanted.subdomain = "lonely".to_owned();
            let taken = ask(&open(root), key("k"), &wanted).unwrap_err();
            assert!(
                matches!(taken, OnboardingError::SubdomainTaken { .. }),
                "{taken:?}"
            );
            say("refused");
        }
        "deregister" => {
            deregister(&open(root), &id(), CODE, Retention::days(90)).unwrap();
            say("deregistered");
        }
        "reopen" => {
            reopen(&open(root), &id(), "basic", BillingCycle::Monthly).unwrap();
            say("reopened");
        }
        "change plan" => {
            change_plan(&open(root), &id(), "premium", BillingCycle::Monthly).unwrap();
            say("changed");
        }
        // Registers the code that is named, with a key where one is named, when told; says how it went.
        "register when told" => {
            let tenancy = open(root);
            say("ready");
            loop {
                let word = told();
                if word.is_empty() {
                    return true;
                }
                let (code, run_key) = word.split_once(' ').unwrap_or((&word, ""));
                let run_key = (!run_key.is_empty()).then(|| run_key.parse().unwrap());
                loop {
                    match ask(&tenancy, run_key.clone(), &asked(code)) {
                        Ok(made) => break say(made.hospital),
                        Err(OnboardingError::CodeTaken { .. }) => break say("taken"),
                        Err(error) if error.is_retryable() => std::thread::yield_now(),
                        Err(other) => break say(format!("{other:?}")),
                    }
                }
            }
        }
        _ => return false,
    }
    true
}

const SERVICE: Program = Program {
    open: "open the service",
    check: |root| {
        let tenancy = open(root);
        settled(&tenancy);
        let tenants = tenancy.tenants().unwrap();
        for record in &tenants {
            assert!(
                matches!(record.status, Status::Active | Status::Archived),
                "{record:?}"
            );
        }
        let folders = std::fs::read_dir(root.join("tenants")).unwrap();
        let kept = folders.filter(|folder| {
            let path = folder.as_ref().unwrap().path();
            std::fs::read_dir(path).unwrap().next().is_some()
        });
        assert_eq!(kept.count(), tenants.len(), "a database is nobody's");
        tenancy
    },
};

fn plans_alone(root: &Path) {
    subscriptions::ensure_plans(&mut open(root).shared().unwrap(), now()).unwrap();
}

/// Making the template is no part of registering, and most of its system calls.
fn with_another(root: &Path) {
    plans_alone(root);
    let new = NewTenant::named("x").subdomain("lonely");
    open(root).create(&"ALONE".parse().unwrap(), new).unwrap();
}

/// Nothing but a tenant that is no hospital's, so that the template is made.
const ALONE: [i64; 7] = [0, 0, 0, 0, 0, 0, 1];

fn beside_another(hospitals: i64) -> [i64; 7] {
    let mut all = whole(hospitals);
    all[6] += 1;
    all
}

fn with_hospital(root: &Path) {
    plans_alone(root);
    ask(&open(root), None, &asked(CODE)).unwrap();
}

const REGISTER: Operation = Operation {
    part: "register",
    before: with_another,
    outcome: |tenancy| {
        let before = counts(tenancy);
        assert!(before == ALONE || before == beside_another(1), "{before:?}");
        // Nobody was told the password, so asked for again it gives one that is good.
        let made = ask(tenancy, key("k"), &asked(CODE)).unwrap();
        assert_eq!(counts(tenancy), beside_another(1));
        let password = made.owner.password.unwrap();
        let shared = &mut tenancy.shared().unwrap();
        let accounts = quick_accounts();
        accounts
            .log_in(shared, &made.owner.username, password.reveal(), None, now())
            .unwrap();
        assert_eq!(quota(tenancy), made.quota);
        tenancy.tenant(&id()).unwrap();
        settled(tenancy);
        before != ALONE
    },
};

const REFUSED: Operation = Operation {
    part: "register what is taken",
    before: with_another,
    outcome: |tenancy| {
        assert_eq!(counts(tenancy), ALONE);
        false
    },
};

const DEREGISTER: Operation = Operation {
    part: "deregister",
    before: with_hospital,
    outcome: |tenancy| {
        let done = closed(tenancy);
        deregister(tenancy, &id(), CODE, Retention::days(90)).unwrap();
        assert!(closed(tenancy));
        settled(tenancy);
        done
    },
};

const REOPEN: Operation = Operation {
    part: "reopen",
    before: |root| {
        with_hospital(root);
        deregister(&open(root), &id(), CODE, Retention::days(90)).unwrap();
    },
    outcome: |tenancy| {
        // Closed it has its date, or nobody would know until when it is kept.
        let done = !closed(tenancy);
        if !done {
            reopen(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap();
        }
        assert!(!closed(tenancy));
        assert_eq!(quota(tenancy), Some(10_000 * MB));
        settled(tenancy);
        done
    },
};

const CHANGE_PLAN: Operation = Operation {
    part: "change plan",
    before: with_hospital,
    outcome: |tenancy| {
        let shared = &mut tenancy.shared().unwrap();
        let limits = subscriptions::limits(shared, hospital(tenancy).id).unwrap();
        assert_eq!(
            quota(tenancy),
            limits.bytes(),
            "the quota is not the plan's"
        );
        limits.megabytes == Some(100_000)
    },
};

#[cfg(feature = "failpoints")]
mod failpoints {
    use super::*;

    #[test]
    fn registering_at_every_step() {
        crashes::failpoints::many_steps_of(&SERVICE, &REGISTER, 10);
    }

    #[test]
    fn registering_what_is_taken_at_every_step() {
        crashes::failpoints::many_steps_of(&SERVICE, &REFUSED, 4);
    }

    #[test]
    fn deregistering_at_every_step() {
        crashes::failpoints::every_step_of(&SERVICE, &DEREGISTER, 6);
    }

    #[test]
    fn opening_again_at_every_step() {
        crashes::failpoints::every_step_of(&SERVICE, &REOPEN, 5);
    }

    #[test]
    fn changing_the_plan_at_every_step() {
        crashes::failpoints::every_step_of(&SERVICE, &CHANGE_PLAN, 3);
    }
}

#[test]
fn killed_at_any_system_call_a_hospital_is_there_or_not() {
    if !crashes::strace_works() {
        return;
    }
    let kills = crashes::kill_at_few_system_calls_of(&SERVICE, &REGISTER)
        + crashes::kill_at_few_system_calls_of(&SERVICE, &DEREGISTER);
    assert!(kills >= 8, "{kills}: the sweep did not get far");
}

#[test]
fn of_two_processes_that_register_one_code_one_gets_it() {
    let service = with_plans();
    let mut processes = [0, 1].map(|_| Actor::spawn("register when told", &service.root));
    for process in &mut processes {
        assert_eq!(process.hear().unwrap(), "ready");
    }
    for round in 0..6 {
        let code = format!("ROUND{round}");
        processes.iter_mut().for_each(|process| process.tell(&code));
        let mut said = processes.each_mut().map(|process| process.hear().unwrap());
        said.sort();
        assert!(said[0].len() == 36 && said[1] == "taken", "{said:?}");
        assert_eq!(counts(&service.tenancy), whole(2 * round + 1));

        // With one key they are one request, and both are told.
        let code = format!("SHARED{round} key-{round}");
        processes.iter_mut().for_each(|process| process.tell(&code));
        let [one, other] = processes.each_mut().map(|process| process.hear().unwrap());
        assert_eq!(one, other);
        assert_eq!(one.len(), 36, "{one}");
        assert_eq!(counts(&service.tenancy), whole(2 * round + 2));
    }
    settled(&service.tenancy);
}
