//! What is asked for in a way that was once misunderstood.
use crate::program::Place;

/// A backup that was taken while the clock was a year ahead was the latest for a year.
#[test]
fn a_backup_of_a_time_to_come_is_not_taken_for_the_latest() {
    use diesel::connection::SimpleConnection;
    use diesel_tenants::{BackupFilter, Tenancy};

    let place = Place::new();
    place.create("TH001");
    place.run(["backup", "TH001"]).done();
    let tenancy: Tenancy = place.library().open().expect("the library opens");
    let mut shared = tenancy.shared().expect("the shared database opens");
    let moved = shared.unrouted("to set the clock", |raw| {
        let later = "UPDATE __tenants_backups SET taken_at = taken_at + 365 * 86400000";
        raw.connection().batch_execute(later)
    });
    moved.expect("the SQL runs");
    drop((shared, tenancy));
    place.run(["backup", "TH001"]).done();
    let latest = ["restore", "TH001", "latest", "--yes-i-mean", "TH001"];
    let refused = place.run(latest);
    assert!(
        refused.refused(4).contains("which is still to come"),
        "{refused:?}"
    );
    let tenancy: Tenancy = place.library().open().expect("the library opens");
    let of = BackupFilter::tenant(&"TH001".parse().expect("an id"));
    assert_eq!(tenancy.backups(&of).expect("they are listed").len(), 2);
}
