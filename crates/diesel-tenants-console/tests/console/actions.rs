//! What can be done, and what became of it.
use super::*;

#[tokio::test]
async fn a_tenant_through_its_life() {
    let site = Site::logged_in().await;
    let fields = [
        ("id", "NORTH"),
        ("name", "North Hospital"),
        ("subdomain", "north"),
    ];
    site.act("/tenants", &fields)
        .await
        .has("Created; the database is Ready");
    let id: TenantId = "NORTH".parse().unwrap();
    let page = site.get("/tenants/NORTH").await;
    page.has("North Hospital")
        .has("Ready")
        .has("nothing is wrong");

    let again = site.act("/tenants", &fields).await;
    again.has("NORTH").has("already");
    site.act("/tenants/NORTH/suspend", &[])
        .await
        .has("Suspended");
    assert_eq!(site.status(&id), Status::Suspended);
    site.act("/tenants/NORTH/suspend", &[])
        .await
        .has("icon bad");
    site.act("/tenants/NORTH/resume", &[]).await.has("Resumed");
    assert_eq!(site.status(&id), Status::Active);
    site.act("/tenants/NORTH/suspend", &[]).await;
    site.act("/tenants/NORTH/archive", &[])
        .await
        .has("Archived");
    site.act("/tenants/NORTH/unarchive", &[])
        .await
        .has("Taken out");
    assert_eq!(site.status(&id), Status::Suspended);
    site.act("/tenants/NORTH/archive", &[]).await;

    let wrong = [("typed", "north"), ("days", "90")];
    site.act("/tenants/NORTH/delete", &wrong)
        .await
        .has("icon bad");
    let record = || site.tenancy.handle(&id).unwrap().record().unwrap();
    assert_eq!(record().delete_after, None);
    for days in ["", "-1", "36501", "x"] {
        let fields = [("typed", "NORTH"), ("days", days)];
        site.act("/tenants/NORTH/delete", &fields)
            .await
            .has("0 to 36500");
    }
    let right = [("typed", "NORTH"), ("days", "90")];
    site.act("/tenants/NORTH/delete", &right)
        .await
        .has("Deleted");
    assert!(record().delete_after.is_some());
    site.get("/tenants/NORTH")
        .await
        .has("its data is kept until");
    site.act("/tenants/NORTH/undelete", &[])
        .await
        .has("taken back");
    assert_eq!(record().delete_after, None);

    site.act("/tenants/NORTH/hold", &[("reason", "a court's order")])
        .await
        .has("On hold");
    site.get("/tenants/NORTH").await.has("a court&#39;s order");
    site.act("/tenants/NORTH/hold", &[("reason", "")])
        .await
        .has("icon bad");
    site.act("/tenants/NORTH/release", &[])
        .await
        .has("released");
    assert_eq!(record().legal_hold, None);
}

#[tokio::test]
async fn what_is_broken_is_named_planned_and_repaired() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    site.drop_column(&id);
    let found = site.act("/tenants/NORTH/verify", &[]).await;
    found.has("Incomplete").has("customer_phone");
    site.get("/tenants")
        .await
        .has("Incomplete")
        .has("customer_phone");
    site.get("/tenants/NORTH").await.has("customer_phone");

    let plan = site.get("/tenants/NORTH/plan").await;
    plan.has("customer_phone").has("Repair as planned");
    assert_eq!(
        site.tenancy
            .verify(&id, &VerifyOptions::default())
            .unwrap()
            .status,
        Health::Incomplete,
        "a plan changes nothing"
    );
    let (_, digest) = plan.body.split_once(r#"name="plan" value=""#).unwrap();
    let digest = digest.split('"').next().unwrap();

    // A plan nobody was shown, and one for a database that has changed since.
    for other in ["", &"0".repeat(64)] {
        site.act("/tenants/NORTH/repair", &[("plan", other)])
            .await
            .has("nothing was done");
    }
    let more = site
        .tenancy
        .tenant(&id)
        .unwrap()
        .unrouted("another slip", |raw| {
            diesel::sql_query("CREATE TABLE stray (id INTEGER)")
                .execute(raw)
                .map(drop)
        });
    more.unwrap();
    site.act("/tenants/NORTH/repair", &[("plan", digest)])
        .await
        .has("nothing was done");
    let back = site
        .tenancy
        .tenant(&id)
        .unwrap()
        .unrouted("put right", |raw| {
            diesel::sql_query("DROP TABLE stray").execute(raw).map(drop)
        });
    back.unwrap();

    let repaired = site.act("/tenants/NORTH/repair", &[("plan", digest)]).await;
    repaired.has("the database is Ready").has("in backup");
    site.get("/tenants/NORTH").await.has("nothing is wrong");
    assert!(
        site.tenancy
            .verify(&id, &VerifyOptions::default())
            .unwrap()
            .is_ready()
    );
}

#[tokio::test]
async fn backups_are_taken_restored_and_undone() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    site.act("/tenants/NORTH/back-up", &[])
        .await
        .has("Backed up");
    let backup = site.tenancy.backups(&BackupFilter::tenant(&id)).unwrap()[0]
        .id
        .to_string();
    site.get("/tenants/NORTH").await.has(&backup);

    for (backup, typed) in [
        (&*backup, ""),
        (&*backup, "SOUTH"),
        (&*backup, "north"),
        ("", "NORTH"),
        ("x", "NORTH"),
    ] {
        let fields = [("backup", backup), ("typed", typed)];
        site.act("/tenants/NORTH/restore", &fields)
            .await
            .has("icon bad");
        assert_eq!(site.generation(&id), 1, "{backup} {typed}");
    }
    let fields = [("backup", &*backup), ("typed", "NORTH")];
    site.act("/tenants/NORTH/restore", &fields)
        .await
        .has("Restored; generation 2");
    site.get("/tenants/NORTH")
        .await
        .has("Generation 1, replaced")
        .has("by restore");
    site.act("/tenants/NORTH/undo", &[("typed", "no")])
        .await
        .has("icon bad");
    assert_eq!(site.generation(&id), 2);
    site.act("/tenants/NORTH/undo", &[("typed", "NORTH")])
        .await
        .has("Undone; generation 3");
    site.act("/tenants/NORTH/migrate", &[])
        .await
        .has("nothing to migrate");
}

#[tokio::test]
async fn recreating_wants_the_id_typed_as_it_is() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    for typed in ["", "north", "NORT", "NORTHH", "SOUTH"] {
        let page = site
            .act("/tenants/NORTH/recreate", &[("typed", typed)])
            .await;
        page.has("icon bad");
        assert_eq!(site.generation(&id), 1, "{typed:?}");
    }
    let page = site
        .act("/tenants/NORTH/recreate", &[("typed", "NORTH")])
        .await;
    page.has("generation 2 is in use now, and empty")
        .has("in backup");
}

#[tokio::test]
async fn several_at_once_each_with_its_own_end() {
    let site = Site::logged_in().await;
    for id in ["ANNA", "BERT", "CARL"] {
        site.create(id, id);
    }
    site.drop_column(&"BERT".parse().unwrap());
    let fields = [
        ("tenant", "ANNA"),
        ("tenant", "BERT"),
        ("tenant", "CARL"),
        ("tenant", "GONE"),
    ];
    let answer = site.post("/selected/verify", &fields).await;
    // The events end with the run, so that reading them all is waiting for it.
    let events = site.get(&format!("{}/events", answer.location())).await;
    assert_eq!(events.headers[CONTENT_TYPE], "text/event-stream");
    events.has("event: end");
    let page = site.get(answer.location()).await;
    page.has("4 of 4 done, 2 need a look")
        .has("customer_phone")
        .has("GONE");
    site.get("/runs").await.has("4 tenants").has("needs a look");

    let answer = site.act("/selected/back-up", &fields[..2]).await;
    answer.has("2 of 2 done");
    assert_eq!(site.tenancy.backups(&BackupFilter::all()).unwrap().len(), 2);
    for (path, fields, status) in [
        ("/selected/verify", &[][..], StatusCode::BAD_REQUEST),
        (
            "/selected/verify",
            &[("tenant", "../x")][..],
            StatusCode::BAD_REQUEST,
        ),
        ("/selected/recreate", &fields[..1], StatusCode::NOT_FOUND),
        ("/selected/suspend", &fields[..1], StatusCode::NOT_FOUND),
        ("/tenants/ANNA/destroy", &[][..], StatusCode::NOT_FOUND),
        ("/tenants/ANNA/create", &[][..], StatusCode::NOT_FOUND),
    ] {
        assert_eq!(site.post(path, fields).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let site = Site::logged_in().await;
    for path in [
        "/tenants/NOBODY",
        "/tenants/..%2f..",
        "/tenants/%00",
        "/runs/x",
        "/runs/0190a0a0-0000-7000-8000-000000000000",
        "/x",
    ] {
        assert_eq!(site.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let gone = site.tenancy.handle(&"NOBODY".parse().unwrap());
    assert!(matches!(gone, Err(OpenError::UnknownTenant { .. })));
}

#[tokio::test]
async fn a_database_that_is_gone_has_a_page_all_the_same() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    site.tenancy.backup(&id, &BackupOptions::new()).unwrap();
    let tenants = site._dir.path().join("data/tenants");
    site.tenancy.suspend(&id).unwrap();
    std::fs::remove_dir_all(tenants).unwrap();
    site.get("/tenants/NORTH").await.has("cannot be measured");
    site.act("/tenants/NORTH/verify", &[]).await.has("Missing");
    site.get("/tenants").await.has("Missing");
}
