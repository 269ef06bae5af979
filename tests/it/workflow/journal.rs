//! What is written down of a run: with what is done, or it is not done; and not for long.
use super::*;

/// The tenant's database is right: one that does not know the run any more, as an older backup would not, undoes it.
#[test]
fn the_key_in_the_tenant_decides() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    panics(tenancy, "activate");
    tenancy
        .tenant(&id())
        .unwrap()
        .unrouted("play a restored database", |raw| {
            diesel::sql_query("DELETE FROM __tenants_workflow_steps").execute(raw)?;
            diesel::sql_query("DELETE FROM patients").execute(raw)
        })
        .unwrap();
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(agreed(tenancy), [""; 0]);
    // And one that knows it finishes it.
    abandon_past_commit(tenancy);
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(agreed(tenancy), ["Ada"]);
}

/// What is done and what is written down about it are one transaction: without the one there is not the other.
#[test]
fn what_cannot_be_written_down_is_not_done() {
    use diesel::connection::SimpleConnection;
    const VETO: &str = "BEGIN SELECT RAISE(ABORT, 'veto'); END";
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    let admit = |name| tenancy.run_workflow(&Admission, &id(), None, who(name));
    let in_tenant = |sql: &str| {
        let mut ctx = tenancy.tenant(&id()).unwrap();
        ctx.raw(|conn| conn.batch_execute(sql));
    };
    // A step in the shared database.
    let veto = format!("CREATE TRIGGER veto BEFORE INSERT ON __tenants_workflow_journal {VETO}");
    spoil(tenancy, &veto);
    let error = admit("Ada").unwrap_err();
    assert!(
        matches!(error, WorkflowError::Journal { step: "user", .. }),
        "{error:?}"
    );
    assert_eq!(agreed(tenancy), [""; 0]);
    spoil(tenancy, "DROP TRIGGER veto");
    // One in the tenant's, where the table is there by now.
    admit("Bea").unwrap();
    in_tenant(&format!(
        "CREATE TRIGGER veto BEFORE INSERT ON __tenants_workflow_steps {VETO}"
    ));
    let error = admit("Cyd").unwrap_err();
    assert!(
        matches!(
            error,
            WorkflowError::Journal {
                step: "visitor",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(agreed(tenancy), ["Bea"]);
    in_tenant("DROP TRIGGER veto");
    // The last one, past the commit.
    let veto = format!(
        "CREATE TRIGGER veto BEFORE UPDATE ON __tenants_workflows \
         WHEN NEW.state IN ('done', 'finished') {VETO}"
    );
    spoil(tenancy, &veto);
    let error = admit("Dee").unwrap_err();
    assert!(
        matches!(error, WorkflowError::Unfinished { .. }),
        "{error:?}"
    );
    assert_eq!(sides(tenancy).0, ["Bea", "pending Dee"]);
    spoil(tenancy, "DROP TRIGGER veto");
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(agreed(tenancy), ["Bea", "Dee"]);
}

/// Nothing of what it was given is in errors, in `Debug`, or in the journal afterwards.
#[test]
fn what_a_run_was_given_stays_in_the_journal_and_not_for_long() {
    const CANARY: &str = "CANARY-Jane-Roe";
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    let mut printed = String::new();
    for step in ["user", "visitor", "patient", "activate"] {
        let refused = with_trouble(CANARY, step);
        let run_key = key("CANARY-key");
        printed += &format!("{run_key:?}");
        let error = tenancy
            .run_workflow(&Admission, &id(), run_key, refused)
            .unwrap_err();
        printed += &format!("{error} {error:?}");
        printed += &format!("{:?}", tenancy.unfinished_workflows().unwrap());
        let error = Error::from(error);
        printed += &format!("{error} {error:?}");
    }
    // One whose input does not fit any more.
    spoil(
        tenancy,
        "UPDATE __tenants_workflows SET input = '\"CANARY-Jane-Roe\"'",
    );
    assert_eq!(tenancy.recover().unwrap(), 0);
    let [run] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run is stuck");
    };
    assert_eq!(
        run.failure.as_deref(),
        Some("what it was given cannot be read")
    );
    let error = tenancy.retry_workflow(run.id).unwrap_err();
    printed += &format!("{run:?} {error} {error:?}");
    assert!(!printed.contains("CANARY"), "{printed}");
    assert!(printed.contains("Told"), "{printed}");

    let fleet = hospital();
    fleet
        .tenancy
        .run_workflow(&Admission, &id(), key("k"), who(&CANARY.repeat(1_000)))
        .unwrap();
    // Nor in free pages, and so in backups, once the rows that are kept are gone as well.
    use diesel::connection::SimpleConnection;
    let mut shared = fleet.tenancy.shared().unwrap();
    shared.raw(|conn| {
        conn.batch_execute("UPDATE users SET name = 'x'; PRAGMA wal_checkpoint(TRUNCATE);")
    });
    drop(shared);
    for file in ["shared.sqlite3", "shared.sqlite3-wal"] {
        let bytes = std::fs::read(fleet.root.join(file)).unwrap_or_default();
        let found = bytes
            .windows(CANARY.len())
            .any(|at| at == CANARY.as_bytes());
        assert!(!found, "it is in {file}");
    }
    let held = "SELECT (SELECT count(input) FROM __tenants_workflows)
                     + (SELECT count(result) FROM __tenants_workflow_journal) AS count";
    assert_eq!(number(&mut fleet.tenancy.shared().unwrap(), held), 0);
    let held = "SELECT count(result) AS count FROM __tenants_workflow_steps";
    let mut ctx = fleet.tenancy.tenant(&id()).unwrap();
    assert_eq!(number(&mut ctx, held), 0);
    let keys = "SELECT count(*) AS count FROM __tenants_workflow_steps";
    assert_eq!(number(&mut ctx, keys), 2);
}
