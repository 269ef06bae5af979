//! Other processes: killed at every step and at system calls, and two at once.
use std::path::Path;

use super::*;
use crate::actors::{Actor, say, told};
use crate::crashes::{self, Operation, Program};

const DMC001: Program = Program {
    open: "open the hospital",
    check: |root| {
        let tenancy = open(root);
        assert_eq!(
            tenancy.recover().unwrap(),
            0,
            "recovery is not done after one run"
        );
        assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
        assert!(tenancy.verify_audit().unwrap().is_intact());
        let sound = tenancy.verify(&id(), &Default::default()).unwrap();
        assert!(sound.reasons.is_empty(), "{sound:?}");
        tenancy
    },
};

/// A hospital with one patient, who has no account, and a user who is nowhere a member.
fn with_one_patient(root: &Path) {
    let tenancy = open(root);
    with_trial(&tenancy, CODE, "enterprise");
    admit(
        &tenancy,
        None,
        patient("First", "Patient"),
        AccountWanted::None,
    )
    .unwrap();
    let new = NewAccount::new("Otto", "Other", "otto@example.org");
    let shared = &mut tenancy.shared().unwrap();
    quick_accounts().create(shared, &new, at(0)).unwrap();
}

fn first_patient(tenancy: &Tenancy) -> Id<Patient> {
    let first = patients::table.select(patients::id).order(patients::number);
    first.first(&mut tenancy.tenant(&id()).unwrap()).unwrap()
}

/// Somebody's account from elsewhere, for the patient who is there.
fn link_otto(tenancy: &Tenancy) {
    let otto = users::table.filter(users::email.eq("otto@example.org"));
    let otto = otto.select(users::id).first(&mut tenancy.shared().unwrap());
    let (person, wanted) = (
        Person::Patient(first_patient(tenancy)),
        AccountWanted::of(otto.unwrap()),
    );
    let given = admissions().give_account(
        tenancy,
        &id(),
        key("k"),
        person,
        wanted,
        Role::Patient,
        at(60),
    );
    assert!(given.unwrap().unwrap().password.is_none());
}

fn hire_gregor(tenancy: &Tenancy) -> String {
    let wanted = AccountWanted::new("gregor@example.org");
    let hired = admissions()
        .hire(
            tenancy,
            &id(),
            key("k"),
            doctor(),
            wanted,
            Role::Doctor,
            at(60),
        )
        .unwrap();
    assert!(hired.doctor.is_some());
    hired.number
}

const ADMIT: Operation = Operation {
    part: "admit a patient with an account",
    before: with_one_patient,
    outcome: |tenancy| {
        let done = agreed(tenancy, CODE) == (1, 0);
        let admitted = admit_ada(tenancy);
        // The password is told by the run that made it, once.
        assert_eq!(admitted.account.unwrap().password.is_some(), !done);
        assert!(admit_ada(tenancy).account.unwrap().password.is_none());
        assert_eq!(admitted.number, "DMC001-PAT-000002");
        assert_eq!(agreed(tenancy, CODE), (1, 0));
        assert_eq!(numbers(tenancy, CODE), numbered(CODE, 2));
        done
    },
};

const HIRE: Operation = Operation {
    part: "hire a doctor with an account",
    before: with_one_patient,
    outcome: |tenancy| {
        let done = agreed(tenancy, CODE) == (0, 1);
        assert_eq!(hire_gregor(tenancy), "DMC001-EMP-0001");
        let doctors: i64 = doctors::table
            .count()
            .get_result(&mut tenancy.tenant(&id()).unwrap())
            .unwrap();
        assert_eq!((agreed(tenancy, CODE), doctors), ((0, 1), 1));
        done
    },
};

const LINK: Operation = Operation {
    part: "give a patient an account that is there",
    before: with_one_patient,
    outcome: |tenancy| {
        let done = agreed(tenancy, CODE) == (1, 0);
        link_otto(tenancy);
        assert_eq!(agreed(tenancy, CODE), (1, 0));
        done
    },
};

/// The parts other processes play here.
pub(in crate::services) fn play(part: &str, root: &Path) -> bool {
    let tenancy = || open(root);
    match part {
        "open the hospital" => drop(tenancy()),
        "admit a patient with an account" => drop(admit_ada(&tenancy())),
        "hire a doctor with an account" => drop(hire_gregor(&tenancy())),
        "give a patient an account that is there" => link_otto(&tenancy()),
        // Admits, when told `hospital key`, under that key, with an account; says what it was answered.
        "admit under the key that is told" => {
            let tenancy = tenancy();
            say("ready");
            loop {
                let word = told();
                let Some((code, word)) = word.split_once(' ') else {
                    return true;
                };
                let code = code.parse().unwrap();
                let answer = loop {
                    let wanted = AccountWanted::new(format!("{word}@example.org"));
                    let patient = patient("Ada", "Lovelace");
                    match admissions().admit(&tenancy, &code, key(word), patient, wanted, at(60)) {
                        Ok(admitted) => break admitted,
                        Err(error) if error.is_retryable() => std::thread::yield_now(),
                        Err(other) => panic!("{other:?}"),
                    }
                };
                let account = answer.account.unwrap();
                let told = account.password.is_some();
                say(format!("{} {} {told}", answer.number, account.username));
            }
        }
        // Admits so many without accounts, into the hospital that is named.
        "admit many when told" => {
            let tenancy = tenancy();
            say("ready");
            let word = told();
            let (code, count) = word.split_once(' ').unwrap();
            let code = code.parse().unwrap();
            for _ in 0..count.parse::<usize>().unwrap() {
                let none = AccountWanted::None;
                admissions()
                    .admit(&tenancy, &code, None, patient("A", "B"), none, at(60))
                    .unwrap();
            }
            say("done");
        }
        _ => return false,
    }
    true
}

#[cfg(feature = "failpoints")]
mod failpoints {
    use super::*;

    #[test]
    fn admission_at_every_step() {
        crashes::failpoints::every_step_of(&DMC001, &ADMIT, 4);
    }

    #[test]
    fn hiring_at_every_step() {
        crashes::failpoints::many_steps_of(&DMC001, &HIRE, 4);
    }

    #[test]
    fn giving_an_account_at_every_step() {
        crashes::failpoints::many_steps_of(&DMC001, &LINK, 4);
    }
}

#[test]
fn killed_at_any_system_call_it_is_both_sides_or_neither() {
    if !crashes::strace_works() {
        return;
    }
    let kills = crashes::kill_at_system_calls_of(&DMC001, &ADMIT);
    assert!(kills >= 8, "{kills}: the sweep did not get far");
}

#[test]
fn of_two_processes_with_one_key_one_admits_and_one_tells_the_password() {
    let service = service();
    let codes = ["NORTH", "SOUTH", "WEST"];
    for code in codes {
        with_trial(&service.tenancy, code, "enterprise");
    }
    let mut processes =
        [0, 1].map(|_| Actor::spawn("admit under the key that is told", &service.root));
    for process in &mut processes {
        assert_eq!(process.hear().unwrap(), "ready");
    }
    let mut usernames = BTreeSet::new();
    for round in 0..12 {
        let code = codes[round % 3];
        let word = format!("{code} key-{round}");
        processes.iter_mut().for_each(|process| process.tell(&word));
        let answers = processes.each_mut().map(|process| process.hear().unwrap());
        let parts = answers
            .each_ref()
            .map(|answer| answer.rsplit_once(' ').unwrap());
        assert_eq!(parts[0].0, parts[1].0, "{word}");
        assert_eq!(
            parts
                .iter()
                .filter(|(_, password)| *password == "true")
                .count(),
            1,
            "{answers:?}"
        );
        let (number, username) = parts[0].0.split_once(' ').unwrap();
        assert_eq!(number, format!("{code}-PAT-{:06}", round / 3 + 1));
        assert!(usernames.insert(username.to_owned()), "{username} twice");
    }
    for code in codes {
        assert_eq!(agreed(&service.tenancy, code), (4, 0));
        assert_eq!(numbers(&service.tenancy, code), numbered(code, 4));
    }
}
