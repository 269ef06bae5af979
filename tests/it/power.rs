//! The power fails: what was not synced is gone, or is there in part.
//!
//! A child process does an operation under `strace`, which writes down every write, sync, rename and unlink with its
//! bytes. They are replayed on a model of a disk that keeps what was synced and no more: the bytes of a file once that
//! file was synced, a name once its directory was. That is less than a file system promises, so what survives here
//! survives anywhere. From the model a data directory is made as it would be found after a power failure at that moment,
//! twice: with nothing of what was not synced, and with a random part of it, in which writes arrive out of order and torn
//! in the middle. Then the library is opened on it.
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::actors::{command_under, say};
use crate::app::{admit, builder};
use crate::crashes::{OPERATIONS, Operation, copy, run, strace_works, with_rows};
use crate::world;

/// A disk writes this many bytes as a whole, or not.
const SECTOR: usize = 512;

/// What a process did to its files.
#[derive(Debug)]
enum Event {
    Make(PathBuf, Node),
    Write(PathBuf, Write),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Unlink(PathBuf),
    Sync(PathBuf),
    /// It told the caller that the operation is done.
    Acknowledge,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Node {
    File(usize),
    Directory,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes(u64, Vec<u8>),
    Length(u64),
}

impl Write {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Bytes(at, bytes) => {
                let (at, end) = (*at as usize, *at as usize + bytes.len());
                file.resize(file.len().max(end), 0);
                file[at..end].copy_from_slice(bytes);
            }
            Self::Length(length) => file.resize(*length as usize, 0),
        }
    }
}

/// Bytes on the disk, and what was written since.
#[derive(Debug, Default, Clone)]
struct Inode {
    synced: Vec<u8>,
    pending: Vec<Write>,
}

impl Inode {
    fn now(&self) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        self.pending
            .iter()
            .for_each(|write| write.apply(&mut bytes));
        bytes
    }
}

/// A change of names.
#[derive(Debug, Clone)]
enum Change {
    Add(PathBuf, Node),
    Remove(PathBuf),
    /// A directory takes along what is in it.
    Move(PathBuf, PathBuf, Node),
}

impl Change {
    /// The directory whose sync makes it last: of a move that into which it leads, since a journal takes it as one.
    fn of(&self) -> PathBuf {
        let (Self::Add(path, _) | Self::Remove(path) | Self::Move(_, path, _)) = self;
        path.parent().unwrap().to_owned()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Add(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Move(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
                let inside: Vec<_> = names
                    .keys()
                    .filter(|path| path.starts_with(from))
                    .cloned()
                    .collect();
                for path in inside {
                    let node = names.remove(&path).unwrap();
                    names.insert(moved(&path, from, to), node);
                }
            }
        }
    }

    /// The same, after a directory around it got another name.
    fn moved(self, from: &Path, to: &Path) -> Self {
        let new = |path: PathBuf| moved(&path, from, to);
        match self {
            Self::Add(path, node) => Self::Add(new(path), node),
            Self::Remove(path) => Self::Remove(new(path)),
            Self::Move(old, path, node) => Self::Move(new(old), new(path), node),
        }
    }
}

/// Where a path is after `from` has become `to`.
fn moved(path: &Path, from: &Path, to: &Path) -> PathBuf {
    match path.strip_prefix(from) {
        Ok(below) if below == Path::new("") => to.to_owned(),
        Ok(below) => to.join(below),
        Err(_) => path.to_owned(),
    }
}

/// The disk, and the file system as the process sees it.
#[derive(Debug, Default)]
struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, Node>,
    synced_names: BTreeMap<PathBuf, Node>,
    /// Changes of names by the directory whose sync makes them last.
    pending_names: HashMap<PathBuf, Vec<Change>>,
}

impl Disk {
    /// Everything below a directory, synced.
    fn of(root: &Path) -> Self {
        let mut disk = Self::default();
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            disk.synced_names.insert(directory.clone(), Node::Directory);
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let synced = std::fs::read(&path).unwrap();
                let node = disk.new_file();
                disk.inodes.last_mut().unwrap().synced = synced;
                disk.synced_names.insert(path, node);
            }
        }
        disk.names = disk.synced_names.clone();
        disk
    }

    fn new_file(&mut self) -> Node {
        self.inodes.push(Inode::default());
        Node::File(self.inodes.len() - 1)
    }

    fn inode(&mut self, path: &Path) -> Option<&mut Inode> {
        match self.names.get(path) {
            Some(Node::File(number)) => Some(&mut self.inodes[*number]),
            _ => None,
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        if let Change::Move(from, to, Node::Directory) = &change {
            // What was changed in it and is not on the disk yet is now in the directory of the new name.
            let inside: Vec<_> = self
                .pending_names
                .keys()
                .filter(|path| path.starts_with(from))
                .cloned()
                .collect();
            for path in inside {
                let changes = self.pending_names.remove(&path).unwrap();
                let changes = changes.into_iter().map(|change| change.moved(from, to));
                let new = self.pending_names.entry(moved(&path, from, to));
                new.or_default().extend(changes);
            }
        }
        let of = self.pending_names.entry(change.of());
        of.or_default().push(change);
    }

    fn replay(&mut self, event: &Event) {
        match event {
            Event::Make(path, node) => {
                let node = match node {
                    Node::File(_) => self.new_file(),
                    Node::Directory => Node::Directory,
                };
                self.change(Change::Add(path.clone(), node));
            }
            Event::Write(path, write) => {
                if let Some(inode) = self.inode(path) {
                    inode.pending.push(write.clone());
                }
            }
            Event::Rename(from, to) => {
                let node = self.names[from];
                self.change(Change::Move(from.clone(), to.clone(), node));
            }
            Event::Link(from, to) => {
                let node = self.names[from];
                self.change(Change::Add(to.clone(), node));
            }
            Event::Unlink(path) => self.change(Change::Remove(path.clone())),
            Event::Sync(path) => {
                if let Some(inode) = self.inode(path) {
                    inode.synced = inode.now();
                    inode.pending.clear();
                }
                for change in self.pending_names.remove(path).unwrap_or_default() {
                    change.apply(&mut self.synced_names);
                }
            }
            Event::Acknowledge => {}
        }
    }

    /// Makes the data directory `root` as it is found after the power failed, at `to`.
    fn found(&self, root: &Path, to: &Path, mut chance: Option<Chance>) {
        let mut names = self.synced_names.clone();
        if let Some(chance) = &mut chance {
            let mut changed: Vec<_> = self.pending_names.iter().collect();
            changed.sort_by_key(|(directory, _)| *directory);
            for (_, changes) in changed {
                // A file system that keeps a journal keeps the order of what is in it.
                let arrived = chance.below(changes.len() + 1);
                changes[..arrived]
                    .iter()
                    .for_each(|change| change.apply(&mut names));
            }
        }
        for (path, node) in &names {
            let Ok(below) = path.strip_prefix(root) else {
                continue;
            };
            // A directory that is lost takes with it what is in it.
            let lost = below.ancestors().skip(1).any(|parent| {
                !matches!(names.get(&root.join(parent)), Some(Node::Directory))
                    && parent != Path::new("")
            });
            let target = match below == Path::new("") {
                true => to.to_owned(),
                false => to.join(below),
            };
            match node {
                _ if lost => {}
                Node::Directory => std::fs::DirBuilder::new()
                    .mode(0o700)
                    .create(target)
                    .unwrap(),
                Node::File(number) => {
                    let inode = &self.inodes[*number];
                    let mut bytes = inode.synced.clone();
                    if let Some(chance) = &mut chance {
                        inode
                            .pending
                            .iter()
                            .for_each(|write| chance.arrive(write, &mut bytes));
                    }
                    let mut options = std::fs::OpenOptions::new();
                    let mut file = options
                        .write(true)
                        .create_new(true)
                        .mode(0o600)
                        .open(target)
                        .unwrap();
                    std::io::Write::write_all(&mut file, &bytes).unwrap();
                }
            }
        }
    }
}

/// Random numbers that are the same in every run: SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    /// A write that was not synced: it did not arrive, or did, or some of its sectors did.
    fn arrive(&mut self, write: &Write, file: &mut Vec<u8>) {
        match (self.below(3), write) {
            (0, _) => {}
            (1, Write::Bytes(at, bytes)) => {
                for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                    if self.below(2) == 0 {
                        let at = at + (number * SECTOR) as u64;
                        Write::Bytes(at, sector.to_vec()).apply(file);
                    }
                }
            }
            _ => write.apply(file),
        }
    }
}

/// One argument or result of a system call, as `strace -y -xx` prints it.
#[derive(Debug, Clone)]
enum Value {
    /// A text, or the bytes of a buffer.
    Text(Vec<u8>),
    /// A descriptor and the file it stands for.
    File(PathBuf),
    Word(String),
}

impl Value {
    fn path(&self) -> PathBuf {
        use std::os::unix::ffi::OsStringExt;
        match self {
            Self::Text(bytes) => std::ffi::OsString::from_vec(bytes.clone()).into(),
            Self::File(path) => path.clone(),
            Self::Word(word) => panic!("`{word}` is no path"),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(bytes) => bytes,
            other => panic!("{other:?} is no buffer"),
        }
    }

    fn number(&self) -> u64 {
        match self {
            Self::Word(word) => word.parse().unwrap(),
            other => panic!("{other:?} is no number"),
        }
    }

    fn has(&self, flag: &str) -> bool {
        matches!(self, Self::Word(word) if word.split('|').any(|found| found == flag))
    }
}

/// The path that is meant by a name and the directory it is looked up in.
fn below(directory: &Value, name: &Value) -> PathBuf {
    match directory {
        Value::File(directory) => directory.join(name.path()),
        _ => name.path(),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let bytes = text.split("\\x").skip(1);
    bytes
        .map(|byte| u8::from_str_radix(&byte[..2], 16).unwrap())
        .collect()
}

fn value(text: &str) -> Value {
    use std::os::unix::ffi::OsStringExt;
    if let Some(quoted) = text.strip_prefix('"') {
        let quoted = quoted
            .strip_suffix('"')
            .expect("a buffer was cut short: raise `-s`");
        return Value::Text(hex(quoted));
    }
    if let Some((_, path)) = text.split_once('<') {
        let path = path.split('>').next().unwrap();
        return Value::File(std::ffi::OsString::from_vec(hex(path)).into());
    }
    Value::Word(text.to_owned())
}

/// Reads the log of `strace` into events, on a model that is kept as the process saw it.
struct Reader<'a> {
    root: &'a Path,
    disk: Disk,
    /// Where the next `write` to a file goes: nobody here seeks, or has a file open twice.
    ends: HashMap<PathBuf, u64>,
    events: Vec<Event>,
}

impl Reader<'_> {
    fn is_ours(&self, path: &Path) -> bool {
        path.starts_with(self.root)
    }

    fn add(&mut self, event: Event) {
        self.disk.replay(&event);
        self.events.push(event);
    }

    fn append(&mut self, path: PathBuf, bytes: Vec<u8>) {
        let at = self.ends.entry(path.clone()).or_default();
        let write = Write::Bytes(*at, bytes.clone());
        *at += bytes.len() as u64;
        self.add(Event::Write(path, write));
    }

    fn open(&mut self, path: PathBuf, flags: &Value) {
        if !self.is_ours(&path) {
            return;
        }
        self.ends.insert(path.clone(), 0);
        if flags.has("O_CREAT") && !self.disk.names.contains_key(&path) {
            self.add(Event::Make(path, Node::File(0)));
        } else if flags.has("O_TRUNC") {
            self.add(Event::Write(path, Write::Length(0)));
        }
    }

    /// One call that succeeded. `line` is for complaints.
    fn call(&mut self, name: &str, values: &[Value], result: &str, line: &str) {
        // The forms that name a directory first have all other arguments one place later, and names in that directory.
        let mut absolute;
        let (name, values) = match name.strip_suffix("at").or(name.strip_suffix("at2")) {
            Some("rename" | "link") => {
                let (from, to) = (below(&values[0], &values[1]), below(&values[2], &values[3]));
                return self.renamed(name, &from, &to);
            }
            Some(short) => {
                absolute = values[1..].to_vec();
                if let Some(Value::Text(path)) = absolute.first_mut() {
                    use std::os::unix::ffi::OsStringExt;
                    *path = below(&values[0], &values[1]).into_os_string().into_vec();
                }
                (short, &absolute[..])
            }
            None => (name, values),
        };
        match name {
            "open" => self.open(values[0].path(), &values[1]),
            "rename" | "link" => self.renamed(name, &values[0].path(), &values[1].path()),
            "write" if !matches!(&values[0], Value::File(path) if self.is_ours(path)) => {
                let words = String::from_utf8_lossy(values[1].bytes());
                if words.contains("actor says") {
                    self.add(Event::Acknowledge);
                }
            }
            "fsync" | "fdatasync" => {
                let path = values[0].path();
                if self.is_ours(&path) || self.root.parent() == Some(&path) {
                    self.add(Event::Sync(path));
                }
            }
            "copy_file_range" => {
                let (from, to) = (values[0].path(), values[2].path());
                let count: usize = result.parse().unwrap();
                if self.is_ours(&to) && count > 0 {
                    // Only closed files are copied, and from their beginning.
                    let at = self.ends.get(&to).copied().unwrap_or(0) as usize;
                    let bytes = self.disk.inode(&from).unwrap().now()[at..][..count].to_vec();
                    self.append(to, bytes);
                }
            }
            _ if !matches!(&values[0], Value::Text(_) | Value::File(_)) => {}
            _ if !self.is_ours(&values[0].path()) => {}
            "mkdir" => self.add(Event::Make(values[0].path(), Node::Directory)),
            "unlink" | "rmdir" => self.add(Event::Unlink(values[0].path())),
            "write" => self.append(values[0].path(), values[1].bytes().to_vec()),
            "pwrite64" => {
                let write = Write::Bytes(values[3].number(), values[1].bytes().to_vec());
                self.add(Event::Write(values[0].path(), write));
            }
            "ftruncate" => {
                let length = Write::Length(values[1].number());
                self.add(Event::Write(values[0].path(), length));
            }
            _ => panic!("not modelled: {line:.200}"),
        }
    }

    fn renamed(&mut self, name: &str, from: &Path, to: &Path) {
        if !self.is_ours(from) {
            return;
        }
        let (from, to) = (from.to_owned(), to.to_owned());
        self.add(match name.starts_with("link") {
            true => Event::Link(from, to),
            false => Event::Rename(from, to),
        });
    }
}

/// The calls that change what is on a disk.
const CALLS: &str = "openat,?open,?creat,pwrite64,pwritev,pwritev2,write,writev,ftruncate,truncate,fallocate,fsync,\
    fdatasync,?rename,?renameat,renameat2,?link,linkat,?unlink,unlinkat,?mkdir,mkdirat,?rmdir,copy_file_range,sendfile,splice";

/// Lets a child play `part` on `root` and returns what it did to its files.
fn record(part: &str, root: &Path, disk: Disk) -> Vec<Event> {
    let log = root.with_extension("strace");
    let mut strace = Command::new("strace");
    // Whole buffers, and every text in hex; `-y` gives the files behind the descriptors.
    strace.args([
        "-f",
        "-qq",
        "-y",
        "-xx",
        "-s",
        "100000000",
        "-e",
        "signal=none",
        "-o",
    ]);
    strace.arg(&log).args(["-e", &format!("trace={CALLS}")]);
    assert!(!run(command_under(strace, part, root)));
    let mut reader = Reader {
        root,
        disk,
        ends: HashMap::new(),
        events: Vec::new(),
    };
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        assert!(
            !line.contains("unfinished"),
            "two threads at once: {line:.200}"
        );
        let Some((call, result)) = line.rsplit_once(" = ") else {
            continue;
        };
        let result = result.split([' ', '<']).next().unwrap();
        let Some((name, arguments)) = call.trim_end().split_once('(') else {
            continue;
        };
        if result.starts_with(['-', '?']) {
            continue;
        }
        let name = name.split_whitespace().next_back().unwrap();
        let arguments = arguments.strip_suffix(')').unwrap();
        let values: Vec<Value> = arguments.split(", ").map(value).collect();
        reader.call(name, &values, result, line);
    }
    std::fs::remove_file(log).unwrap();
    reader.events
}

/// At every n-th moment in the ordinary run, at all of them with `DIESEL_TENANTS_SWEEP=full`.
fn step() -> usize {
    match std::env::var("DIESEL_TENANTS_SWEEP").as_deref() {
        Ok("full") => 1,
        _ => 4,
    }
}

/// Lets the power fail at every moment of the operation at which something else is on the disk than before. Returns how
/// often it failed.
pub(crate) fn fail_power(operation: &Operation) -> usize {
    fail_power_and_look(operation.part, operation.before, |root| {
        (operation.outcome)(&world::check(root))
    })
}

/// The same where opening the library is not the first thing to do afterwards: `outcome` is given the data directory.
pub(crate) fn fail_power_and_look(
    part: &str,
    before: fn(&Path),
    outcome: impl Fn(&Path) -> bool,
) -> usize {
    let dir = crate::scratch::dir();
    let home = dir.path().canonicalize().unwrap();
    let (start, root) = (home.join("start"), home.join("data"));
    before(&start);
    let image = || match root.exists() {
        true => Disk::of(&root),
        false => Disk::default(),
    };
    if start.exists() {
        copy(&start, &root);
    }
    let (mut disk, before) = (image(), image());
    let events = record(part, &root, before);
    let look = |disk: &Disk, chance: Option<Chance>, acknowledged: bool| {
        let found = root.with_extension("found");
        disk.found(&root, &found, chance);
        let after = outcome(&found);
        assert!(
            after || !acknowledged,
            "{part}: it was acknowledged, and is gone"
        );
        std::fs::remove_dir_all(&found).unwrap();
        1
    };
    let mut failures = 0;
    let mut acknowledged = false;
    let mut moments = 0;
    for (number, event) in events.iter().enumerate() {
        let changes_the_disk = !matches!(event, Event::Write(..));
        if changes_the_disk {
            moments += 1;
            if moments % step() == 0 {
                // What is most is lost right before a sync.
                failures += look(&disk, Some(Chance(number as u64)), acknowledged);
            }
        }
        disk.replay(event);
        acknowledged |= matches!(event, Event::Acknowledge);
        if changes_the_disk && moments % step() == 0 {
            failures += look(&disk, None, acknowledged);
        }
    }
    // The operation has returned: nothing of it may be lost any more.
    failures += look(&disk, None, true);
    failures += look(&disk, Some(Chance(0)), true);
    println!("{part}: {failures} power failures");
    failures
}

/// The engine's own operations.
#[test]
fn of_an_operation_there_is_all_or_nothing() {
    if strace_works() {
        let failures: usize = OPERATIONS.iter().map(fail_power).sum();
        assert!(failures >= 40, "{failures}: the sweep did not get far");
    }
}

/// Rows a child has inserted, each acknowledged before the next.
const ROWS: usize = 12;

pub(crate) fn play(part: &str, root: &Path) -> bool {
    if part != "write some rows" {
        return false;
    }
    let tenancy = builder(root).open().unwrap();
    let mut ctx = tenancy.tenant(&"TH001".parse().unwrap()).unwrap();
    for number in 0..ROWS {
        admit(&mut ctx, &format!("row {number}")).unwrap();
        say(number);
    }
    true
}

#[test]
fn no_acknowledged_row_is_lost() {
    if !strace_works() {
        return;
    }
    let dir = crate::scratch::dir();
    let home = dir.path().canonicalize().unwrap();
    let root = home.join("data");
    with_rows(&root);
    let mut disk = Disk::of(&root);
    let events = record("write some rows", &root, Disk::of(&root));
    // Three are there from the beginning.
    let mut acknowledged = 3;
    for (number, event) in events.iter().enumerate() {
        disk.replay(event);
        acknowledged += usize::from(matches!(event, Event::Acknowledge));
        if !matches!(event, Event::Write(..)) {
            for chance in [None, Some(Chance(number as u64))] {
                let found = home.join("found");
                disk.found(&root, &found, chance);
                let rows = world::rows(&world::check(&found)).len();
                assert!(rows >= acknowledged, "{rows} of {acknowledged}");
                std::fs::remove_dir_all(&found).unwrap();
            }
        }
    }
    assert_eq!(acknowledged, 3 + ROWS);
}
