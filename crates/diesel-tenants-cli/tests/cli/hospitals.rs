//! Which tenant a hospital is: what `doctor` finds, and what `bind-hospital` does about it.
use crate::program::Place;

impl Place {
    /// A hospital's row alone, as from before rows named their tenants.
    fn hospital_row(&self, code: &str) {
        use diesel::connection::SimpleConnection;

        let tenancy = self.library().open().expect("the library opens");
        let mut shared = tenancy.shared().expect("the shared database opens");
        let row = format!(
            "INSERT INTO hospitals (id, code, name, subdomain, email, time_zone, currency, created_at) \
             VALUES (randomblob(16), '{code}', '{code}', lower('{code}'), 'x@example.org', 'UTC', 'USD', '2026-01-01')"
        );
        shared
            .unrouted("an older row", |raw| raw.connection().batch_execute(&row))
            .expect("it is written");
    }
}

#[test]
fn doctor_names_hospitals_that_are_no_tenant_and_they_are_bound() {
    let place = Place::new();
    place.create("TH001");
    place.hospital_row("TH001");
    place.hospital_row("WEST");
    place.run(["backup", "--all"]).done();
    let found = place.run(["doctor"]);
    assert!(
        found.ended(3).starts_with(
            "! hospital TH001 is no tenant: no tenant was ever named for it; there is a tenant TH001, which may be its own or \
             another customer's\n    tenants bind-hospital TH001\n\
             ! hospital WEST is no tenant: no tenant was ever named for it, and there is none of its code\n"
        ),
        "{found:?}"
    );
    let (document, _) = place.json(["doctor"]);
    assert_eq!(document["findings"][0]["kind"], "hospital");
    assert_eq!(document["findings"][0]["tenant"], "TH001");

    let unconfirmed = place.run(["bind-hospital", "TH001"]);
    assert_eq!(unconfirmed.code, 4, "{unconfirmed:?}");
    assert!(
        unconfirmed.stderr.contains("--yes-i-mean TH001"),
        "{unconfirmed:?}"
    );
    let nobody = place.run([
        "bind-hospital",
        "NOBODY",
        "--tenant",
        "TH001",
        "--yes-i-mean",
        "NOBODY",
    ]);
    assert_eq!(nobody.code, 6, "{nobody:?}");
    let (bound, code) = place.json([
        "bind-hospital",
        "TH001",
        "--yes-i-mean",
        "TH001",
        "--as",
        "user:7",
    ]);
    assert_eq!(
        (bound["tenant"].as_str(), code),
        (Some("TH001"), 0),
        "{bound}"
    );
    assert!(bound["before"].is_null(), "{bound}");
    // It has its own, which another hospital does not get.
    let taken = place.run([
        "bind-hospital",
        "WEST",
        "--tenant",
        "TH001",
        "--yes-i-mean",
        "WEST",
    ]);
    assert_eq!(taken.code, 4, "{taken:?}");

    // Purged and come back under another uuid.
    for arguments in [
        &["suspend", "TH001"][..],
        &["archive", "TH001"],
        &[
            "delete",
            "TH001",
            "--retain-days",
            "0",
            "--yes-i-mean",
            "TH001",
        ],
        &["purge", "TH001", "--yes-i-mean", "TH001"],
        &["create", "TH001", "--name", "Back", "--reuse-retired-id"],
    ] {
        place.run(arguments).done();
    }
    let found = place.run(["doctor"]);
    assert!(
        found
            .ended(3)
            .contains(") is gone; there is a tenant TH001, which may be"),
        "{found:?}"
    );
    let again = place.run(["bind-hospital", "TH001", "--yes-i-mean", "TH001"]);
    assert!(
        again.done().starts_with("hospital TH001 is tenant TH001 ("),
        "{again:?}"
    );
    let audit = place.run(["audit", "list", "--action", "hospital.bind"]);
    assert_eq!(
        audit.done().matches("hospital.bind").count(),
        2,
        "{audit:?}"
    );
    assert!(audit.stdout.contains("user:7"), "{audit:?}");
}

/// Which the catalogue alone does not know.
#[test]
fn a_quota_that_is_unset_is_the_one_of_the_plan() {
    use diesel_tenants::services::accounts::Accounts;
    use diesel_tenants::services::onboarding::{Registration, register, workflows};
    use diesel_tenants::services::{now, subscriptions};

    let place = Place::new();
    let allowed = {
        let tenancy = workflows(place.library().init())
            .open()
            .expect("the library opens");
        let mut shared = tenancy.shared().expect("the shared database opens");
        subscriptions::ensure_plans(&mut shared, now()).expect("the plans are written");
        let asked = Registration::new(
            "TH001",
            "North",
            "north",
            "Nora",
            "North",
            "n@north.example",
        );
        register(&tenancy, &Accounts::default(), None, &asked).expect("it is registered");
        let usage = tenancy.usage(&"TH001".parse().expect("an id"));
        usage
            .expect("it is there")
            .quota
            .expect("the plan has a limit")
    };
    place.run(["quota", "TH001", "--set", "500MiB"]).done();
    assert_eq!(
        place.json(["quota", "TH001", "--unset"]).0["quota_bytes"],
        allowed
    );
}
