//! What the compiler refuses, and what it must not.
//!
//! - `refused/<promise>.rs`: a program that must not compile. The lines `//~` at its top say with which errors.
//! - `accepted/<promise>.rs`: its twin, the same program on the right scope, which must: so a refusal proves the scope
//!   and not a typo.
//! - `accepted/works_….rs`: ordinary Diesel that must go on compiling unmodified.
//! - `accepted/hole_….rs`: the wrong scope, which compiles because Diesel's types hide it; refused by the database
//!   instead. When such a case stops compiling, a hole is closed: move it to `refused` and shorten the list in the docs.
//! - `support/schema.rs`: the application they are all written against.
//!
//! Expectations, in the order they apply:
//! ```text
//! //~ E0277                     an error with this code (`error` for one without a code), and of it:
//! //~ message: is not in a      its first line contains this; may be repeated
//! //~ mentions: schema::users   some error contains this anywhere
//! ```
//! Every error must be expected and every expectation met. Beside some cases stands a `.stderr` with the exact text,
//! compared on the compiler it names only. `COMPILE_FAIL=overwrite cargo test --test compile_fail` writes them anew; a
//! new one starts as an empty file.
mod case;
mod compiler;
mod readme;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // Each thread runs a compiler; more of them want more memory than a small machine has.
    args.test_threads.get_or_insert(2);

    let refused = case::names("refused");
    let accepted = case::names("accepted");
    let mut trials = vec![Trial::test("every_case_has_its_twin", {
        let (refused, accepted) = (refused.clone(), accepted.clone());
        move || case::check_twins(&refused, &accepted)
    })];
    trials.push(Trial::test(
        "the_error_in_the_readme_is_what_rustc_says",
        readme::check_mistake,
    ));
    for name in refused {
        trials.push(Trial::test(format!("refused::{name}"), move || {
            case::check_refused(&name)
        }));
    }
    for name in accepted {
        trials.push(Trial::test(format!("accepted::{name}"), move || {
            case::check_accepted(&name)
        }));
    }

    let conclusion = libtest_mimic::run(&args, trials);
    compiler::clean_up();
    conclusion.exit_code()
}
