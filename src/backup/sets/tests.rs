use std::collections::BTreeMap;

use super::*;
use crate::backup::Backups;
use crate::tenant_id::TenantId;

/// Ten thousand members, as they are written now or, with the rows of all tables, as they were before.
fn manifest(rows: Option<&BTreeMap<String, u64>>) -> SetManifest {
    let catalog = Uuid::now_v7();
    let member = |number: u32| SetMember {
        backup: Uuid::now_v7(),
        database: BackupIdentity {
            catalog,
            tenant: Some(TenantKey {
                uuid: Uuid::now_v7(),
                id: format!("TH{number:05}").parse::<TenantId>().unwrap(),
            }),
            generation: 1,
        },
        bytes: 1 << 20,
        sha256: [7; 32],
        schema_version: Some("20260102000000".to_owned()),
        rows: rows.cloned(),
    };
    SetManifest {
        set: Uuid::now_v7(),
        catalog,
        began_at: 1,
        ended_at: 2,
        made_by: "0.1.0".to_owned(),
        complete: true,
        members: (1..=10_000).map(member).collect(),
        failed: Vec::new(),
        missed: Vec::new(),
    }
}

/// A set of that many was written, and not read again: whoever needed it found a manifest that was too big.
#[test]
fn a_set_of_ten_thousand_is_read_and_so_is_one_of_before() {
    let dir = tempfile::tempdir().unwrap();
    let tables = ["patients", "appointments_and_visits", "laboratory_results"];
    let tables = (0..12).map(|n| (format!("{}_{n}", tables[n % 3]), 1000));
    let before = manifest::sealed(&manifest(Some(&tables.collect())));
    let now = manifest::sealed(&manifest(None));
    assert!(before.len() > 4 << 20, "{} is read anyway", before.len());
    // Of a hundred thousand databases there is one, and there is room for what is written of those that failed.
    assert!(now.len() < 5 << 20, "{}", now.len());
    for (name, bytes) in [("set-before", &before), ("now", &now)] {
        let set = dir.path().join(name);
        std::fs::create_dir(&set).unwrap();
        std::fs::write(set.join("manifest.json"), bytes).unwrap();
    }
    let listed = Backups::<diesel::SqliteConnection>::at(dir.path()).unwrap();
    assert!(listed.damaged().is_empty(), "{:?}", listed.damaged());
    assert_eq!(listed.sets().len(), 2);
    assert!(listed.sets().iter().all(|set| set.members.len() == 10_000));
}
