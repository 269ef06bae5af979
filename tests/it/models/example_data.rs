//! The data of the examples is well-formed and fits the tables.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use diesel_tenants::models::tenant::patients::Sex;
use diesel_tenants::money::Money;

/// The lines of a file below its header, which has to be `columns`.
fn lines(file: &str, columns: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/data")
        .join(file);
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(columns), "{file}");
    let lines: Vec<Vec<_>> = lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect();
    let width = columns.split(',').count();
    for line in &lines {
        assert_eq!(line.len(), width, "{file}: {line:?}");
        assert!(
            line.iter()
                .all(|field| !field.is_empty() && field == field.trim()),
            "{file}: {line:?}"
        );
    }
    let first: BTreeSet<_> = lines.iter().map(|line| &line[0]).collect();
    assert_eq!(first.len(), lines.len(), "{file}: a line is there twice");
    lines
}

fn price(text: &str) -> Money {
    text.parse().unwrap()
}

#[test]
fn names_make_enough_patients() {
    let given = lines("given_names.csv", "given_name,sex");
    for line in &given {
        line[1].parse::<Sex>().unwrap();
    }
    let family = lines("family_names.csv", "family_name");
    assert!(given.len() * family.len() >= 1_600);
}

#[test]
fn every_complaint_has_a_doctor() {
    let doctors = lines(
        "doctors.csv",
        "given_name,family_name,specialization,license_number,consultation_fee",
    );
    let licences: BTreeSet<_> = doctors.iter().map(|line| &line[3]).collect();
    assert_eq!(licences.len(), doctors.len());
    assert!(doctors.iter().all(|line| price(&line[4]) > Money::ZERO));
    for complaint in lines("complaints.csv", "complaint,specialization") {
        assert!(
            doctors.iter().any(|line| line[2] == complaint[1]),
            "{complaint:?}"
        );
    }
}

#[test]
fn prices_are_amounts() {
    for line in lines("services.csv", "code,name,category,price") {
        assert!(price(&line[3]) > Money::ZERO, "{line:?}");
    }
    let columns = "code,name,generic_name,form,strength,cost_price,selling_price,prescription_only";
    for line in lines("medicines.csv", columns) {
        assert!(price(&line[5]) < price(&line[6]), "{line:?}");
        assert!(["yes", "no"].contains(&line[7].as_str()), "{line:?}");
    }
}
