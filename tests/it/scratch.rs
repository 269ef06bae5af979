//! Where the tests put their data directories.
use std::path::Path;

use tempfile::TempDir;

/// Many times what all tests together have at a time.
const ENOUGH: u64 = 1 << 30;

/// A directory that is removed when the test ends: in memory where there is room, else where temporary files go.
///
/// A process that is killed loses nothing that it had written, whether it had synced it or not; only the power takes that, and
/// those tests replay what was recorded. So memory tests the same as a disk does, without the wait for each sync. On a disk
/// all the same with `DIESEL_TENANTS_SCRATCH`, the directory to put them into.
pub(crate) fn dir() -> TempDir {
    let memory = Path::new("/dev/shm");
    if let Some(chosen) = std::env::var_os("DIESEL_TENANTS_SCRATCH") {
        return tempfile::tempdir_in(chosen).unwrap();
    }
    let room = rustix::fs::statvfs(memory).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    // Writable by everybody as a rule, but not everywhere.
    let in_memory = (room >= ENOUGH).then(|| tempfile::tempdir_in(memory));
    match in_memory {
        Some(Ok(dir)) => dir,
        _ => tempfile::tempdir().unwrap(),
    }
}
