//! Many at once, and many things in whatever order.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

#[test]
fn many_threads_and_many_keys() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    let results = parking_lot::Mutex::new(BTreeMap::<usize, Vec<(i32, i32)>>::new());
    let busy = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let (results, busy) = (&results, &busy);
            threads.spawn(move || {
                // Each key is asked for by four threads.
                for number in 0..16 {
                    let number = number * 2 + thread % 2;
                    let name = format!("patient {number:02}");
                    let result = loop {
                        match tenancy.run_workflow(&Admission, &id(), key(&name), who(&name)) {
                            Ok(result) => break result,
                            Err(WorkflowError::InProgress { .. }) => {
                                busy.fetch_add(1, Ordering::Relaxed);
                                std::thread::yield_now();
                            }
                            Err(other) => panic!("{other:?}"),
                        }
                    };
                    results.lock().entry(number).or_default().push(result);
                }
            });
        }
    });
    for results in results.into_inner().values() {
        assert_eq!(results.len(), 4);
        assert!(
            results.iter().all(|result| result == &results[0]),
            "{results:?}"
        );
    }
    assert!(busy.into_inner() > 0, "no two threads met");
    assert_eq!(agreed(tenancy).len(), 32);
}

#[derive(Debug, Clone)]
enum Move {
    Admit(usize),
    Fail(usize, &'static str),
    Crash(usize, &'static str),
    Recover,
    Close,
}

fn moves() -> impl Strategy<Value = Move> {
    let step = prop::sample::select(vec!["user", "visitor", "between", "patient"]);
    let crash = prop::sample::select(vec!["user", "visitor", "between", "patient", "activate"]);
    prop_oneof![
        3 => (0..3usize).prop_map(Move::Admit),
        2 => (0..3usize, step).prop_map(|(key, step)| Move::Fail(key, step)),
        3 => (0..3usize, crash).prop_map(|(key, step)| Move::Crash(key, step)),
        1 => Just(Move::Recover),
        1 => Just(Move::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever fails and crashes in whatever order: who was admitted, by what was answered, is on both sides once, and
    /// nobody else is on any.
    #[test]
    fn both_sides_are_what_was_answered(moves in prop::collection::vec(moves(), 1..12)) {
        let fleet = hospital();
        let mut tenancy = fleet.tenancy.clone();
        // The input of a key's run must be the same each time, so each trouble has keys of its own.
        let mut admitted = BTreeMap::new();
        for (turn, next) in moves.into_iter().enumerate() {
            match next {
                Move::Admit(number) => {
                    let name = format!("patient {number}");
                    let result = tenancy.run_workflow(&Admission, &id(), key(&name), who(&name));
                    let result = result.unwrap();
                    let before = admitted.insert(name, result);
                    prop_assert!(before.is_none_or(|before| before == result));
                }
                Move::Fail(number, step) => {
                    let name = format!("failing {number}");
                    let trouble = with_trouble(&name, step);
                    let run_key = key(&format!("{name} {step}"));
                    let result = tenancy.run_workflow(&Admission, &id(), run_key, trouble);
                    let failed = matches!(result, Err(WorkflowError::Failed { .. }));
                    prop_assert!(failed);
                }
                Move::Crash(number, step) => {
                    let name = format!("crashing {number} {turn}");
                    let trouble = with_trouble(&name, &format!("!{step}"));
                    let run = || tenancy.run_workflow(&Admission, &id(), key(&name), trouble);
                    prop_assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
                }
                Move::Recover => drop(tenancy.recover().unwrap()),
                Move::Close => {
                    let other = fleet.again();
                    tenancy = other;
                }
            }
            let (users, patients) = sides(&tenancy);
            for name in admitted.keys() {
                prop_assert_eq!(users.iter().filter(|user| *user == name).count(), 1);
                prop_assert_eq!(patients.iter().filter(|patient| *patient == name).count(), 1);
            }
        }
    }
}
