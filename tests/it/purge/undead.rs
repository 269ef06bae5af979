//! A purge of what was put back of a tenant that was purged before, cut short at any step.
use super::*;

/// TH001 is purged, and its directory was put back since.
fn put_back(root: &Path) {
    due(root);
    let (directory, aside) = (root.join("tenants"), root.with_extension("aside"));
    copy(&directory, &aside);
    let tenancy = builder(root).open().unwrap();
    tenancy.purge(&id("TH001"), "TH001").unwrap();
    drop(tenancy);
    std::fs::remove_dir(&directory).unwrap();
    std::fs::rename(&aside, &directory).unwrap();
}

const PURGE_UNDEAD: Operation = Operation {
    part: "purge undead",
    before: put_back,
    outcome: |tenancy| {
        let purged = tenancy.shared().unwrap().unrouted("test", |raw| {
            diesel::sql_query("SELECT uuid FROM __tenants_tenants").get_result::<Purged>(raw)
        });
        let uuid = uuid::Uuid::from_slice(&purged.unwrap().uuid).unwrap();
        let certificate = tenancy.certificate(&uuid).unwrap().unwrap();
        // Once each, however often it was begun.
        assert_eq!(certificate.generations.len(), 4, "{certificate:?}");
        assert_eq!(certificate.unreadable, [0; 0]);
        true
    },
};

#[derive(QueryableByName)]
struct Purged {
    #[diesel(sql_type = diesel::sql_types::Binary)]
    uuid: Vec<u8>,
}

pub(super) fn act(root: &Path) {
    let tenancy = builder(root).open().unwrap();
    let undead = tenancy.undead().unwrap();
    let certificate = tenancy.purge_undead(&undead[0].uuid, "TH001").unwrap();
    assert!(certificate.completed_at.is_some());
    say("purged");
}

#[cfg(feature = "failpoints")]
#[test]
fn what_was_put_back_goes_wholly_whatever_cuts_it_short() {
    crashes::failpoints::many_steps(&PURGE_UNDEAD, 8);
}
