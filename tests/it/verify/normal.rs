//! What has no meaning is no difference.
use proptest::prelude::*;

use super::{fleet, run, verify};

/// How a word of a definition may be written.
fn written(word: &str, how: u8) -> String {
    let is_name = ["visits", "cost", "reason", "nurse", "patients", "ward"].contains(&word);
    let upper = || word.to_ascii_uppercase();
    match (how % 5, is_name) {
        (0, _) => word.to_owned(),
        (1, _) => upper(),
        (2, true) => format!("\"{word}\""),
        (3, true) => format!("[{}]", upper()),
        (4, true) => format!("`{word}`"),
        _ => word.to_ascii_lowercase(),
    }
}

fn space(how: u8) -> &'static str {
    [" ", "\n\t", " /* a, (comment */ ", " -- ' one\n", "   "][usize::from(how) % 5]
}

proptest! {
    #![proptest_config(crate::verify::cases())]

    #[test]
    fn a_reformatted_definition_is_the_same(hows in prop::collection::vec((0_u8..5, 0_u8..5), 200)) {
        let fleet = fleet();
        let tokens = "CREATE TABLE visits ( id INTEGER PRIMARY KEY NOT NULL , code TEXT NOT NULL UNIQUE , \
            patient_id INTEGER NOT NULL REFERENCES patients ( id ) ON DELETE CASCADE , \
            label TEXT COLLATE NOCASE , nurse BLOB , payer TEXT , \
            reason TEXT NOT NULL DEFAULT 'none' CHECK ( ( length ( reason ) > 0 ) ) , paid INTEGER NOT NULL DEFAULT 0 , \
            cost INTEGER NOT NULL DEFAULT ( 0 ) , twice INTEGER GENERATED ALWAYS AS ( cost * 2 ) VIRTUAL , \
            CHECK ( cost >= 0 ) , CONSTRAINT named CHECK ( cost < 1000 OR reason <> 'none' ) )";
        let text: String = tokens
            .split(' ')
            .filter(|token| !token.is_empty())
            .zip(hows.iter().cycle())
            .map(|(token, (word, gap))| match token.starts_with('\'') {
                true => format!("{token}{}", space(*gap)),
                false => format!("{}{}", written(token, *word), space(*gap)),
            })
            .collect();
        let sql = format!(
            "BEGIN; CREATE TABLE kept AS SELECT id, code, reason, cost, patient_id, paid FROM visits; DROP VIEW busy; DROP TABLE visits; {text};
             INSERT INTO visits (id, code, reason, cost, patient_id, paid) SELECT * FROM kept; DROP TABLE kept;
             create index Visits_Patient_ID on [visits] (patient_id ASC,COST desc);
             CREATE UNIQUE INDEX visits_label ON visits ( LOWER(\"label\") ) WHERE (label <> '');
             CREATE TRIGGER visits_audit AFTER DELETE ON visits BEGIN insert into rooms values ( old.id , 0 ) ; end;
             CREATE VIEW busy AS SELECT patient_id, COUNT(*) as visits FROM visits GROUP BY patient_id;
             CREATE INDEX visits_payer ON visits (payer); COMMIT;"
        );
        run(&fleet.tenancy, &sql);
        let found = verify(&fleet);
        prop_assert!(found.is_ready() && found.reasons.is_empty(), "{found}\n{text}");
    }
}
