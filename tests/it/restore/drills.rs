//! Drills of a sample: every database has its turn.
use diesel_tenants::{DrillOptions, Drilled};

use super::*;

fn whose(drilled: &[Drilled]) -> Vec<Option<String>> {
    let of = |it: &Drilled| it.backup.tenant.map(|tenant| tenant.id.to_string());
    drilled.iter().map(of).collect()
}

#[test]
fn each_has_its_turn_before_one_has_a_second() {
    let fleet = app::fleet();
    for tenant in ["A1", "B1", "C1"] {
        fleet.create(tenant);
        let id = tenant.parse().unwrap();
        fleet
            .tenancy
            .backup(&id, &BackupOptions::default())
            .unwrap();
    }
    fleet
        .tenancy
        .backup_shared(&BackupOptions::default())
        .unwrap();
    let lost = &fleet
        .tenancy
        .backups(&BackupFilter::tenant(&"B1".parse().unwrap()))
        .unwrap()[0];
    std::fs::remove_dir_all(&lost.path).unwrap();
    let round = |sizes: &[usize]| {
        let mut turns = Vec::new();
        for most in sizes {
            let options = DrillOptions::default().sample(*most).workers(2);
            let drilled = fleet.tenancy.drill_newest(&options).unwrap();
            assert_eq!(drilled.len(), *most);
            for it in &drilled {
                let is_lost = it.backup.id == lost.id;
                assert_eq!(it.report.is_err(), is_lost, "{it:?}");
            }
            turns.extend(whose(&drilled));
        }
        turns
    };
    let mut first = round(&[1, 2, 1]);
    let mut second = round(&[2, 2]);
    first.sort();
    second.sort();
    let all = [None, Some("A1"), Some("B1"), Some("C1")].map(|id| id.map(str::to_owned));
    assert_eq!((&first[..], &second[..]), (&all[..], &all[..]));
    // All of them: the one that is lost is in the list.
    assert_eq!(fleet.tenancy.drill_all().unwrap().len(), 4);
}
