//! Numbers of those who come at once: none twice, and none left out.
use super::*;
use crate::actors::Actor;

/// Threads that admit at once, every ninth of theirs rolled back with its number taken: the numbers of those who were
/// admitted are in the order of the commits, without a gap.
#[test]
fn threads_never_share_a_number_nor_leave_one_out() {
    const THREADS: usize = 8;
    const EACH: usize = 1_000;
    let (service, _) = hospital();
    let tenancy = &service.tenancy;
    refuse_refused(tenancy, CODE);
    let began = std::time::Instant::now();
    let given: Vec<String> = std::thread::scope(|scope| {
        let admit_some = |_| {
            let mut given = Vec::new();
            let mut attempt = 0;
            while given.len() < EACH {
                attempt += 1;
                let refused = attempt % 9 == 0;
                let family = if refused { "Refused" } else { "Admitted" };
                match admit(tenancy, None, patient("A", family), AccountWanted::None) {
                    Ok(admitted) => given.push(admitted.number),
                    Err(AdmissionError::Query(_)) if refused => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            given
        };
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || admit_some(thread)))
            .collect();
        let each = threads.into_iter().map(|thread| thread.join().unwrap());
        each.flatten().collect()
    });
    println!("{} admissions in {:?}", given.len(), began.elapsed());
    assert_eq!(given.len(), THREADS * EACH);
    let distinct: BTreeSet<String> = given.into_iter().collect();
    let expected = numbered(CODE, THREADS * EACH);
    assert!(distinct.into_iter().eq(expected.iter().cloned()));
    assert_eq!(numbers(tenancy, CODE), expected);
}

/// Two processes and several hospitals at once: each hospital counts for itself.
#[test]
fn processes_and_hospitals_count_side_by_side() {
    const EACH: usize = 40;
    let service = service();
    let codes = ["NORTH", "SOUTH", "WEST"];
    for code in codes {
        with_trial(&service.tenancy, code, "enterprise");
    }
    // Two for each hospital.
    let mut processes: Vec<(&str, Actor)> = codes
        .iter()
        .chain(&codes)
        .map(|code| (*code, Actor::spawn("admit many when told", &service.root)))
        .collect();
    for (_, process) in &mut processes {
        assert_eq!(process.hear().unwrap(), "ready");
    }
    for (code, process) in &mut processes {
        process.tell(&format!("{code} {EACH}"));
    }
    for (code, process) in &mut processes {
        assert_eq!(process.hear().as_deref(), Some("done"), "{code}");
    }
    for code in codes {
        assert_eq!(numbers(&service.tenancy, code), numbered(code, 2 * EACH));
    }
}

/// Threads that admit people of one name with accounts, in three hospitals: nobody shares a user name or a number.
#[test]
fn threads_that_make_accounts_agree_on_both_sides() {
    const EACH: usize = 8;
    let service = service();
    let codes = ["NORTH", "SOUTH", "WEST"];
    for code in codes {
        with_trial(&service.tenancy, code, "enterprise");
        refuse_refused(&service.tenancy, code);
    }
    let tenancy = &service.tenancy;
    std::thread::scope(|scope| {
        for thread in 0..6 {
            scope.spawn(move || {
                let code = codes[thread % 3].parse().unwrap();
                for n in 0..EACH {
                    let wanted = AccountWanted::new(format!("ada{thread}-{n}@example.org"));
                    let ada = patient("Ada", "Lovelace");
                    admissions()
                        .admit(tenancy, &code, None, ada, wanted, at(60))
                        .unwrap();
                    let wanted = AccountWanted::new(format!("no{thread}-{n}@example.org"));
                    let refused = patient("Ada", "Refused");
                    let error = admissions()
                        .admit(tenancy, &code, None, refused, wanted, at(60))
                        .unwrap_err();
                    assert!(matches!(error, AdmissionError::Query(_)), "{error:?}");
                }
            });
        }
    });
    for code in codes {
        assert_eq!(agreed(tenancy, code), (2 * EACH, 0));
        assert_eq!(numbers(tenancy, code), numbered(code, 2 * EACH));
    }
    let names = users::table.select(users::username).order(users::username);
    let names: Vec<String> = names.load(&mut tenancy.shared().unwrap()).unwrap();
    let made = 6 * EACH;
    let expected = (0..made).map(|n| match n {
        0 => "ada.lovelace.patient".to_owned(),
        n => format!("ada.lovelace.patient.{n}"),
    });
    let expected: BTreeSet<String> = expected.collect();
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected);
}
