//! Backups whose pages lead in a circle: each is refused, and soon.
use std::sync::mpsc;
use std::time::Duration;

use super::refused::{forge, invalid};
use super::*;

const PAGE: usize = 4096;

/// The file with these free pages behind it, each with the number of the next one, counted from the first of them.
fn with_free_pages(whole: &[u8], next: &[u32]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let first = (whole.len() / PAGE) as u32 + 1;
    let count = next.len() as u32;
    for next in next {
        let mut page = vec![0; PAGE];
        page[..4].copy_from_slice(&(first + next).to_be_bytes());
        bytes.extend(page);
    }
    // How many pages there are, the first that is free, and how many are.
    for (at, number) in [(28, first - 1 + count), (32, first), (36, count)] {
        bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    bytes
}

/// The hash catches a file that was changed. Here the manifest was made anew for it.
#[test]
fn a_list_of_free_pages_without_an_end_is_refused() {
    let (fleet, _tenant, backup) = backed_up();
    let file = backup.path.join("db.sqlite3");
    let whole = fs::read(&file).unwrap();
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for next in [&[0][..], &[1, 0], &[1, 2, 1]] {
            fs::write(&file, with_free_pages(&whole, next)).unwrap();
            forge(&backup.path, str::to_owned);
            said.send((next, invalid(&fleet, &backup).0)).unwrap();
        }
    });
    for _ in 0..3 {
        let (next, name) = heard
            .recv_timeout(Duration::from_secs(60))
            .expect("it comes to an end");
        assert_eq!(name, "Damaged", "{next:?}");
    }
}
