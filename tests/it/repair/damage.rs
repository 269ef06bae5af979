//! Any damage: found as what it is, repaired, and no row lost.
use diesel_tenants::verify::Finding;
use proptest::prelude::*;

use super::{VISITS, plan, rows};
use crate::verify::{fleet, rewrite, run, verify};

/// What somebody with a shell may do that adding can mend, with the kind of finding and what it names.
fn damages() -> Vec<(&'static str, String, Vec<&'static str>)> {
    let visits = |from: &str, to: &str| rewrite("visits", from, to);
    vec![
        (
            "missing_table",
            "DROP TABLE archive".to_owned(),
            vec!["archive"],
        ),
        (
            "missing_index",
            "DROP INDEX visits_patient_id".to_owned(),
            vec!["visits_patient_id"],
        ),
        (
            "missing_index",
            "DROP INDEX visits_label".to_owned(),
            vec!["visits_label"],
        ),
        (
            "missing_index",
            "DROP INDEX visits_payer".to_owned(),
            vec!["visits_payer"],
        ),
        (
            "missing_trigger",
            "DROP TRIGGER visits_audit".to_owned(),
            vec!["visits_audit"],
        ),
        ("missing_view", "DROP VIEW busy".to_owned(), vec!["busy"]),
        (
            "missing_column",
            "ALTER TABLE visits DROP COLUMN nurse".to_owned(),
            vec!["`nurse`"],
        ),
        (
            "missing_column",
            "ALTER TABLE visits DROP COLUMN paid".to_owned(),
            vec!["`paid`"],
        ),
        (
            "missing_column",
            "ALTER TABLE visits DROP COLUMN twice".to_owned(),
            vec!["`twice`"],
        ),
        (
            "default",
            visits("DEFAULT 'none'", "DEFAULT 'nothing'"),
            vec!["`reason`"],
        ),
        (
            "missing_check",
            visits("CHECK (length(reason) > 0)", ""),
            vec!["length(reason)"],
        ),
        ("collation", visits("COLLATE NOCASE", ""), vec!["`label`"]),
        (
            "nullability",
            visits("code TEXT NOT NULL", "code TEXT"),
            vec!["`code`"],
        ),
        (
            "foreign_key_differs",
            visits("ON DELETE CASCADE", "ON DELETE SET NULL"),
            vec!["patient_id"],
        ),
        (
            "table_kind",
            rewrite("rooms", "STRICT, ", ""),
            vec!["`rooms`"],
        ),
        (
            "column_type",
            rewrite("patients", "ward TEXT", "ward CLOB"),
            vec!["`ward`"],
        ),
    ]
}

/// What a step of the migrations makes alone is named, too, when all of it is gone.
fn is_summary(finding: &Finding) -> bool {
    matches!(finding, Finding::MigrationWithoutEffect { .. })
}

proptest! {
    #![proptest_config(crate::verify::cases())]

    #[test]
    fn any_damage_is_found_exactly_and_mended(chosen in prop::sample::subsequence((0..16).collect::<Vec<usize>>(), 1..6)) {
        let fleet = fleet();
        let whole = fleet.tenancy.tenants().unwrap()[0].schema_fingerprint.clone();
        let before = (rows(&fleet, VISITS), rows(&fleet, "SELECT id || name || ward AS line FROM patients ORDER BY id"));
        let damages = damages();
        // A view is in the way of dropping a column.
        let order = chosen.iter().rev();
        for at in order {
            run(&fleet.tenancy, &damages[*at].1);
        }
        let found = verify(&fleet);
        let reasons: Vec<_> = found.reasons.iter().filter(|finding| !is_summary(finding)).collect();
        prop_assert_eq!(reasons.len(), chosen.len(), "{}", found);
        for at in &chosen {
            let (kind, _, names) = &damages[*at];
            let hit = |finding: &&&Finding| finding.kind() == *kind && names.iter().all(|name| finding.to_string().contains(name));
            prop_assert_eq!(reasons.iter().filter(hit).count(), 1, "{}: {}", kind, found);
        }
        let plan = plan(&fleet);
        prop_assert!(plan.is_complete(), "{plan}");
        let report = fleet.tenancy.repair(&plan.id, &plan).unwrap();
        prop_assert!(report.after.is_ready() && report.after.reasons.is_empty(), "{plan}\n{report}");
        let after = (rows(&fleet, VISITS), rows(&fleet, "SELECT id || name || ward AS line FROM patients ORDER BY id"));
        prop_assert_eq!(before, after);
        let mended = fleet.tenancy.tenants().unwrap()[0].schema_fingerprint.clone();
        prop_assert_eq!(mended, whole);
    }
}
