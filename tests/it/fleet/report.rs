//! What a run says it would do, and what became of each tenant.
use super::*;

#[test]
fn a_failing_tenant_is_named_with_the_databases_words_and_the_rest_goes_on() {
    let fleet = old_fleet(&["A1", "B1", "C1", "D1", "E1"]);
    let set = MigrationSet::new([
        wards(),
        archive(),
        MigrationScript::new(
            "20260103000000",
            "one_name",
            "CREATE UNIQUE INDEX patients_name ON patients (name); ALTER TABLE visits RENAME COLUMN reason TO why;",
        ),
    ]);
    poison(&fleet, "B1");
    for _ in 0..2 {
        admit(&mut fleet.tenancy.tenant(&id("C1")).unwrap(), "secret").unwrap();
    }
    meddle(
        &fleet,
        "D1",
        "ALTER TABLE visits RENAME COLUMN reason TO other",
    );
    let new = with_migrations(&fleet, set);
    let report = migrate(&new, &all_at_once());
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert!(!report.is_success());
    assert_eq!((report.totals.done, report.totals.failed), (2, 3));
    let said: Vec<_> = report
        .failures()
        .map(|it| {
            let error = it.error.as_ref().unwrap();
            assert_eq!(error.kind, FailureKind::MigrationFailed);
            assert!(
                matches!(
                    **error.error.as_ref().unwrap(),
                    TenantError::Migrate(LifecycleError::Migrate { .. })
                ),
                "{error:?}"
            );
            (
                it.id.to_string(),
                it.applied.join(","),
                error.message.clone(),
            )
        })
        .collect();
    let expected = [
        (
            "B1",
            "",
            "tenant `B1` could not be migrated: migration `20260102000000` (archive) failed and was rolled back: \
             table archive already exists",
        ),
        (
            "C1",
            ARCHIVE,
            "tenant `C1` could not be migrated: migration `20260103000000` (one_name) failed and was rolled back: \
             UNIQUE constraint failed: patients.name",
        ),
        (
            "D1",
            ARCHIVE,
            "tenant `D1` could not be migrated: migration `20260103000000` (one_name) failed and was rolled back: \
             no such column: \"reason\"",
        ),
    ];
    let expected = expected.map(|(id, applied, text)| (id.into(), applied.into(), text.to_owned()));
    assert_eq!(said, expected);

    // The catalogue keeps it, for other processes too.
    let run = report.run.unwrap();
    let kept = new_program(&fleet).fleet_run(run).unwrap();
    assert_eq!(states(&kept), states(&report));
    let messages = |report: &FleetReport| -> Vec<_> {
        report
            .failures()
            .map(|it| it.error.as_ref().map(|e| (e.kind, e.message.clone())))
            .collect()
    };
    assert_eq!(messages(&kept), messages(&report));
    let text = serde_json::to_string(&kept).unwrap();
    assert!(!text.contains("secret"), "{text}");
    world::check_with(&fleet.root, |b| {
        b.tenant_migrations(MigrationSet::new([wards(), archive()]))
    });
}

#[test]
fn the_plan_says_what_would_be_applied_where_and_changes_nothing() {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    fleet.tenancy.suspend(&id("C1")).unwrap();
    let new = new_program(&fleet);
    new.migrate_tenant(&id("A1")).unwrap();
    for deep in [false, true] {
        let options = match deep {
            false => MigrateFleet::default(),
            true => MigrateFleet::default().deep(),
        };
        let plan = match deep {
            false => without_databases(&fleet.root, || new.plan_fleet(&options).unwrap()),
            true => new.plan_fleet(&options).unwrap(),
        };
        let json = serde_json::to_value(&plan).unwrap();
        assert_eq!(
            json["tenants"],
            serde_json::json!([
                { "id": "B1", "status": "active", "version": WARDS, "action": "migrate",
                  "pending": [{ "version": ARCHIVE, "name": "archive" }] },
                { "id": "C1", "status": "suspended", "version": WARDS, "action": "migrate",
                  "pending": [{ "version": ARCHIVE, "name": "archive" }] },
                { "id": "A1", "status": "active", "version": ARCHIVE, "action": "up_to_date" },
            ])
        );
        assert_eq!(json["waves"], serde_json::json!([1, 1]));
        assert_eq!(plan.target_version.as_deref(), Some(ARCHIVE));
        assert_eq!(json["target_digest"].as_str().unwrap().len(), 64);
    }
    assert!(new.fleet_runs().unwrap().is_empty());
    assert!(fleet.tenancy.tenant(&id("B1")).is_ok(), "it was migrated");
}

/// What programs read.
#[test]
fn the_report_as_json() {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    poison(&fleet, "B1");
    let new = new_program(&fleet);
    new.migrate_tenant(&id("C1")).unwrap();
    let report = migrate(&new, &all_at_once().workers(1));
    let mut json = serde_json::to_value(&report).unwrap();
    let number = |value: &mut serde_json::Value| {
        assert!(value.take().as_u64().is_some());
    };
    number(&mut json["started_at"]);
    number(&mut json["finished_at"]);
    number(&mut json["tenants"][0]["duration_ms"]);
    number(&mut json["tenants"][1]["duration_ms"]);
    let run: uuid::Uuid = json["run"].take().as_str().unwrap().parse().unwrap();
    let digest = json["target_digest"].take();
    let same = |wave: serde_json::Value, id: &str, state: &str| {
        serde_json::json!({
            "id": id, "state": state, "wave": wave, "from": ARCHIVE, "to": ARCHIVE, "applied": [],
            "duration_ms": null, "overran": false, "drifted": false, "backup": null, "attempts": 0, "skipped_because": null, "error": null,
        })
    };
    let expected = serde_json::json!({
        "run": null, "outcome": "failed", "target_version": ARCHIVE, "target_digest": null,
        "resumed": false, "joined": false, "started_at": null, "finished_at": null, "waves": 1,
        "totals": { "up_to_date": 1, "done": 1, "failed": 1, "skipped": 0, "left": 0 },
        "tenants": [
            { "id": "A1", "state": "done", "wave": 1, "from": WARDS, "to": ARCHIVE, "applied": [ARCHIVE],
              "duration_ms": null, "overran": false, "drifted": false, "backup": null, "attempts": 1, "skipped_because": null, "error": null },
            { "id": "B1", "state": "failed", "wave": 1, "from": WARDS, "to": WARDS, "applied": [],
              "duration_ms": null, "overran": false, "drifted": false, "backup": null, "attempts": 1, "skipped_because": null,
              "error": { "kind": "migration_failed",
                         "message": "tenant `B1` could not be migrated: migration `20260102000000` (archive) failed and \
                                     was rolled back: table archive already exists" } },
            same(serde_json::Value::Null, "C1", "up_to_date"),
        ],
    });
    assert_eq!(json, expected);

    let listed = serde_json::to_value(new.fleet_runs().unwrap()).unwrap();
    assert_eq!(listed[0]["id"].as_str().unwrap(), run.to_string());
    assert_eq!(listed[0]["target_digest"], digest);
    assert_eq!(listed[0]["totals"]["failed"], 1);
    let unknown = new.fleet_run(uuid::Uuid::nil()).unwrap_err();
    assert!(
        matches!(unknown, FleetError::UnknownRun { .. }),
        "{unknown:?}"
    );
}
