//! Threads that take pieces of work one after another, and a caller who gets each outcome as it comes.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;
use std::{io, thread};

/// Does the pieces 0 to `count` on at most `workers` threads, and hands each outcome to `sink`, on the calling thread and in
/// the order in which they end. No piece is begun after `until`; what was begun is finished.
///
/// With one worker, or one piece, all of it is done on the calling thread. At most `2 * workers` outcomes wait for `sink`, so that a slow one slows the workers down instead of filling the memory.
/// A panic in `sink` ends all of it.
///
/// # Errors
/// Not one thread could be started. With fewer than asked for it goes on.
pub(crate) fn run<R: Send>(
    count: usize,
    workers: usize,
    until: Option<Instant>,
    work: impl Fn(usize) -> R + Sync,
    mut sink: impl FnMut(usize, R),
) -> io::Result<()> {
    let in_time = || until.is_none_or(|until| Instant::now() < until);
    let workers = workers.min(count);
    if workers <= 1 {
        for piece in (0..count).take_while(|_| in_time()) {
            sink(piece, work(piece));
        }
        return Ok(());
    }
    let next = AtomicUsize::new(0);
    let one_after_another = |done: mpsc::SyncSender<(usize, R)>| {
        while in_time() {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            // Nobody listens any more once the sink has panicked.
            if piece >= count || done.send((piece, work(piece))).is_err() {
                return;
            }
        }
    };
    let (done, outcomes) = mpsc::sync_channel(workers);
    thread::scope(|scope| {
        for number in 0..workers {
            let done = done.clone();
            let worker = thread::Builder::new().name(format!("tenants-{number}"));
            match worker.spawn_scoped(scope, || one_after_another(done)) {
                Ok(_) => {}
                Err(error) if number == 0 => return Err(error),
                Err(_) => break,
            }
        }
        drop(done);
        // Owned here, so that it is gone, and the workers with it, when the sink panics.
        for (piece, outcome) in outcomes {
            sink(piece, outcome);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_piece_is_done_once() {
        for (count, workers) in [(0, 3), (1, 3), (100, 1), (100, 7), (3, 50)] {
            let mut seen = Vec::new();
            run(
                count,
                workers,
                None,
                |n| n * 2,
                |n, twice| seen.push((n, twice)),
            )
            .unwrap();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).map(|n| (n, n * 2)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn as_many_work_at_a_time_as_there_are_workers() {
        // Each waits for the others: with fewer at a time none would ever get through.
        let all = Barrier::new(4);
        run(8, 4, None, |_| all.wait(), |_, _| {}).unwrap();
    }

    #[test]
    fn nothing_is_begun_after_the_end() {
        let until = Instant::now() + Duration::from_millis(20);
        let work = |_| {
            // It takes longer than there is time.
            while Instant::now() < until {
                thread::yield_now();
            }
        };
        let mut done = 0;
        run(1_000, 2, Some(until), work, |_, ()| done += 1).unwrap();
        assert!((1..=2).contains(&done), "{done}");
        run(1_000, 2, Some(until), work, |_, ()| {
            panic!("begun too late")
        })
        .unwrap();
    }

    #[test]
    fn a_sink_that_panics_ends_it() {
        let begun = AtomicUsize::new(0);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let work = |_| {
                begun.fetch_add(1, Ordering::Relaxed);
            };
            run(usize::MAX, 3, None, work, |_, ()| {
                panic!("the caller's own")
            })
        }));
        assert!(panicked.is_err());
        // What waits in the channel, what the workers had in hand, and the one that was taken.
        assert!(begun.into_inner() <= 3 + 3 + 1);
    }
}
