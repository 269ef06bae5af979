//! How many connections the process's file descriptors allow.

/// Descriptors of one connection to an SQLite database in WAL mode: the database, its `-wal` and
/// its `-shm`. (Further connections to the same file need two; three is the safe count.)
const PER_CONNECTION: u64 = 3;

/// The budget is never derived larger than this: at about 100 kB a connection it is a gigabyte of
/// memory.
const MOST: u64 = 10_000;

/// Derives a budget of connections from the soft limit on open files (`RLIMIT_NOFILE`).
///
/// The budget is `(limit − reserve) / 3`, as an SQLite connection in WAL mode holds three
/// descriptors, at least 1 and at most 10,000 (which is also the answer when the limit is
/// "unlimited"). `reserve` is what the rest of the process needs for sockets, logs and the like;
/// `None` keeps a quarter of the limit, 64 at least.
///
/// | soft limit | default reserve | connections |
/// |-----------:|----------------:|------------:|
/// |         64 |              64 |           1 |
/// |        256 |              64 |          64 |
/// |      1,024 |             256 |         256 |
/// |     20,000 |           5,000 |       5,000 |
/// |  1,048,576 |         262,144 |      10,000 |
///
/// # Example
/// ```
/// use diesel_tenants::pool::fd_budget;
///
/// assert!(fd_budget(None) >= 1);
/// assert!(fd_budget(Some(200)) <= fd_budget(Some(0)));
/// ```
pub fn fd_budget(reserve: Option<u64>) -> usize {
    derive(soft_limit(), reserve)
}

#[cfg(unix)]
fn soft_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn soft_limit() -> Option<u64> {
    None
}

fn derive(limit: Option<u64>, reserve: Option<u64>) -> usize {
    let Some(limit) = limit else {
        return MOST as usize;
    };
    let reserve = reserve.unwrap_or((limit / 4).max(64));
    (limit.saturating_sub(reserve) / PER_CONNECTION).clamp(1, MOST) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_limit_is_kept_for_the_rest() {
        let documented = [
            (64, 1),
            (256, 64),
            (1_024, 256),
            (20_000, 5_000),
            (1_048_576, 10_000),
        ];
        for (limit, connections) in documented {
            assert_eq!(derive(Some(limit), None), connections, "limit {limit}");
        }
    }

    #[test]
    fn edges() {
        assert_eq!(derive(Some(0), None), 1);
        assert_eq!(derive(Some(40), None), 1);
        assert_eq!(derive(Some(u64::MAX), Some(0)), 10_000);
        assert_eq!(derive(Some(1_024), Some(u64::MAX)), 1);
        assert_eq!(derive(Some(1_024), Some(24)), 333);
        assert_eq!(derive(None, None), 10_000);
        assert_eq!(derive(None, Some(64)), 10_000);
    }

    #[test]
    #[cfg(unix)]
    fn the_limit_of_this_process_is_asked() {
        assert_eq!(fd_budget(Some(100)), derive(soft_limit(), Some(100)));
    }
}
