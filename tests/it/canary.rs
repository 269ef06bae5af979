//! Log canary: people and secrets that are planted everywhere come out nowhere.
//!
//! A process of its own traces every target at its finest, records metrics, and prints errors with all their causes and
//! `Debug` of whatever has one, as a careless application would. All it prints is searched.
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime};
use diesel::connection::SimpleConnection;
use diesel_tenants::access::Principal;
use diesel_tenants::adopt::{AdoptOptions, Mapping};
use diesel_tenants::audit::{AuditFilter, AuditPolicy};
use diesel_tenants::export::ExportFormat;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::tenant::patients as people;
use diesel_tenants::models::tenant::patients::{NewPatient, Patient, Sex};
use diesel_tenants::repair::RepairOptions;
use diesel_tenants::services::accounts::{Accounts, HashCost, NewAccount, Policy, SessionToken};
use diesel_tenants::verify::{SharedRefColumn, VerifyOptions};
use diesel_tenants::{
    BackupOptions, BackupRef, FanOut, MigrateFleet, ReferenceList, RestoreOptions, prelude::*,
};
use metrics_util::debugging::DebuggingRecorder;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id as SpanId, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::actors::command;
use crate::app::{admit, builder, patients, users};
use crate::workflow::{Admission, who, with_trouble};

/// What is planted, by what it stands for. Each is one word that stands nowhere else.
const PLANTED: [(&str, &str); 9] = [
    ("a patient's name", "Quackenbush-Zephyrine"),
    ("an e-mail address", "zephyrine.q@planted.example"),
    ("a telephone number", "+999-555-017-4242"),
    ("a diagnosis", "planted-melancholia-F32.2"),
    ("a password", "correct-horse-planted-42"),
    ("a reason", "planted reason: brother of the minister"),
    ("an API key", "sk_live_planted4eC39HqLyjWDarjtT1"),
    (
        "a database URL",
        "postgres://planted:hunter2@db.example/th001",
    ),
    ("a key of a request", "planted-request-key-0815"),
];
const NAME: &str = PLANTED[0].1;
const EMAIL: &str = PLANTED[1].1;
const PHONE: &str = PLANTED[2].1;
const DIAGNOSIS: &str = PLANTED[3].1;
const PASSWORD: &str = PLANTED[4].1;
const REASON: &str = PLANTED[5].1;
const API_KEY: &str = PLANTED[6].1;
const URL: &str = PLANTED[7].1;
const KEY: &str = PLANTED[8].1;

/// Where a text stands in another: as it is, as hexadecimal, or as the numbers of its bytes, which is what `Debug` makes
/// of them. Half of it is enough.
fn stands_in(planted: &str, printed: &str) -> bool {
    let half = &planted[..planted.len().div_ceil(2).max(8)];
    let hex: String = half.bytes().map(|byte| format!("{byte:02x}")).collect();
    let numbers = format!("{:?}", half.as_bytes());
    let numbers = numbers.trim_matches(['[', ']']);
    let lower = printed.to_lowercase();
    [half.to_lowercase().as_str(), &hex, numbers]
        .iter()
        .any(|form| lower.contains(form))
}

#[test]
fn the_search_finds_what_is_printed() {
    for (what, planted) in PLANTED {
        for printed in [
            format!("before {planted} after"),
            format!("{:?}", planted.as_bytes()),
            planted.bytes().map(|byte| format!("{byte:02x}")).collect(),
            planted.to_uppercase(),
        ] {
            assert!(stands_in(planted, &printed), "{what}: {printed}");
        }
        assert!(!stands_in(planted, "a line like others"), "{what}");
    }
}

/// The parts other processes play here.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    match part {
        "careless" => careless(root),
        // What the parent must find.
        "careless and caught" => {
            tracing::subscriber::set_global_default(Printer).unwrap();
            tracing::info!(name = NAME, "admitted");
            eprintln!("{PASSWORD}");
        }
        _ => return false,
    }
    true
}

fn printed_by(part: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(part, &dir.path().join("data"));
    let done = command.stderr(Stdio::piped()).output().unwrap();
    let printed = [done.stdout, done.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    assert!(done.status.success(), "{printed}");
    printed
}

#[test]
fn nobody_and_no_secret_is_printed_traced_or_measured() {
    let printed = printed_by("careless");
    let revealed = |name: &str| {
        let mut lines = printed.lines();
        let line = lines.find_map(|line| line.split_once(&format!("{name} scrambled ")));
        // Made at random by the child, which says what it was backwards.
        line.unwrap().1.chars().rev().collect::<String>()
    };
    let secrets = ["password", "token"].map(|name| (name, revealed(name)));
    let planted = PLANTED.map(|(what, planted)| (what, planted.to_owned()));
    let mut hits = Vec::new();
    for (what, planted) in planted.iter().chain(&secrets) {
        let lines = printed.lines().filter(|line| stands_in(planted, line));
        hits.extend(lines.map(|line| format!("{what}: {line}")));
    }
    assert!(
        hits.is_empty(),
        "what was planted came out:\n{}",
        hits.join("\n")
    );
    // It was there, and it was heard.
    for heard in [
        "trace TRACE diesel_tenants message=query tenant=TH001",
        "trace WARN diesel_tenants message=operation failed",
        "error: UNIQUE constraint failed: patients.name",
        "error: CHECK constraint failed",
        "diesel_tenants_queries_total",
        "QueryStats",
        "debug: WorkflowRun",
        "audit: break-glass.open",
        "panicked at",
    ] {
        assert!(printed.contains(heard), "{heard} is not in\n{printed}");
    }
    let lines = printed.lines().count();
    println!(
        "{lines} lines were searched for {} texts",
        planted.len() + secrets.len()
    );
}

#[test]
fn what_is_printed_is_searched() {
    let printed = printed_by("careless and caught");
    assert!(stands_in(NAME, &printed), "{printed}");
    assert!(stands_in(PASSWORD, &printed), "{printed}");
}

/// Prints everything that is traced, by whomever.
struct Printer;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Line {
    fn of(metadata: &Metadata<'_>) -> Self {
        Self(format!("trace {} {}", metadata.level(), metadata.target()))
    }
}

impl Subscriber for Printer {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> SpanId {
        let mut line = Line::of(span.metadata());
        span.record(&mut line);
        println!("{}", line.0);
        SpanId::from_u64(1)
    }
    fn record(&self, _: &SpanId, values: &Record<'_>) {
        let mut line = Line("trace record".to_owned());
        values.record(&mut line);
        println!("{}", line.0);
    }
    fn record_follows_from(&self, _: &SpanId, _: &SpanId) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line::of(event.metadata());
        event.record(&mut line);
        println!("{}", line.0);
    }
    fn enter(&self, _: &SpanId) {}
    fn exit(&self, _: &SpanId) {}
}

/// An error as it is logged by those who want to know everything.
fn error(error: &dyn Error) {
    println!("error: {error}\n{error:?}\n{error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        println!("because: {error}\n{error:?}");
        cause = error.source();
    }
}

fn fails<T: Debug, E: Error + 'static>(result: Result<T, E>) {
    error(&result.expect_err("this was to fail"));
}

fn debug(value: impl Debug) {
    println!("debug: {value:?}\n{value:#?}");
}

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn careless(root: &Path) {
    tracing::subscriber::set_global_default(Printer).unwrap();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    std::fs::create_dir_all(root).unwrap();

    let nurse = Principal::user("user:7".parse().unwrap()).with_reason(REASON.parse().unwrap());
    let tenancy = builder(&root.join("engine"))
        .audit(AuditPolicy::All)
        .drain_timeout(Duration::from_millis(10))
        .acting_as(nurse.clone())
        .open()
        .unwrap();
    debug((&tenancy, &nurse));
    queries(&tenancy);
    panics(&tenancy);
    copies(&tenancy, root);
    health(&tenancy);
    workflows(&tenancy);
    access(&tenancy, &nurse);
    listings(&tenancy);
    hospital(&root.join("hospital"));
    drop(tenancy);

    let mut measured = BTreeMap::new();
    for (key, unit, description, value) in snapshotter.snapshot().into_vec() {
        measured.insert(
            format!("{key:?}"),
            format!("{unit:?} {description:?} {value:?}"),
        );
    }
    debug(measured);
}

fn queries(tenancy: &Tenancy) {
    let th001 = tenancy.create(&id("TH001"), NewTenant::named("x")).unwrap();
    tenancy.create(&id("TH002"), NewTenant::named("x")).unwrap();
    let mut ctx = th001.enter().unwrap();
    admit(&mut ctx, NAME).unwrap();
    let rules = "CREATE UNIQUE INDEX once ON patients (name);
                 CREATE TABLE marks (id INTEGER PRIMARY KEY, mark TEXT CHECK (length(mark) < 5)) STRICT";
    ctx.unrouted("test", |raw| raw.connection().batch_execute(rules))
        .unwrap();
    let mut ctx = th001.enter().unwrap();
    fails(admit(&mut ctx, NAME));
    let found = patients::table.filter(patients::name.eq(NAME));
    fails(
        found
            .filter(patients::ward.eq(DIAGNOSIS))
            .select(patients::id)
            .first::<i32>(&mut ctx),
    );
    debug((&ctx, th001.clone()));
    let bound = |sql: &str, value: &str| {
        let mut ctx = th001.enter().unwrap();
        let statement = diesel::sql_query(sql).bind::<diesel::sql_types::Text, _>(value.to_owned());
        let done = ctx.unrouted("test", |raw| statement.execute(raw));
        fails(done);
    };
    bound("INSERT INTO marks (mark) VALUES (?)", DIAGNOSIS);
    bound("INSERT INTO marks (id) VALUES (?)", API_KEY);
    bound("SELECT json_extract(?, '$.a') FROM patients", EMAIL);
    bound(
        "SELECT abs(CAST(-9223372036854775808 AS INTEGER)) FROM patients WHERE name <> ?",
        PHONE,
    );
    bound("INSERT INTO users (name) VALUES (?)", NAME);
    // Written into the statement by somebody who does not know better: traced without what is in quotes.
    let literal =
        format!("SELECT count(*) AS n FROM patients WHERE name = '{NAME}' OR ward = '{URL}'");
    let mut ctx = th001.enter().unwrap();
    ctx.unrouted("test", |raw| diesel::sql_query(literal).execute(raw))
        .unwrap();
    let shared = &mut tenancy.shared().unwrap();
    diesel::insert_into(users::table)
        .values(users::name.eq(format!("{NAME} {PASSWORD}")))
        .execute(shared)
        .unwrap();
    debug(&shared);
    let mut ctx = th001.enter().unwrap();
    let failed = ctx.transaction(|ctx| {
        admit(ctx, EMAIL)?;
        admit(ctx, NAME).map(drop)
    });
    fails(failed);
}

fn panics(tenancy: &Tenancy) {
    let mut ctx = tenancy.tenant(&id("TH001")).unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        ctx.transaction(|ctx| {
            admit(ctx, DIAGNOSIS)?;
            let nobody: Option<i32> = None;
            Ok::<_, diesel::result::Error>(nobody.unwrap())
        })
    }));
    drop(caught.unwrap_err());
    fails(admit(&mut ctx, NAME));
    debug(&ctx);
    drop(ctx);
    // A payload with somebody's name, and no hook that would print it.
    let walked = tenancy.for_each_tenant(FanOut::new(), |_| -> QueryResult<()> {
        resume_unwind(Box::new(NAME.to_owned()))
    });
    let walked = walked.unwrap();
    walked.failed().for_each(|(_, failed)| error(failed));
    debug(&walked);
}

fn copies(tenancy: &Tenancy, root: &Path) {
    let one = id("TH001");
    let backup = tenancy.backup(&one, &BackupOptions::default()).unwrap();
    debug(&backup);
    let unconfirmed = RestoreOptions::confirmed(NAME);
    fails(tenancy.restore(&one, &BackupRef::from(&backup), &unconfirmed));
    let file = std::fs::File::options()
        .write(true)
        .open(backup.path.join("db.sqlite3"));
    file.unwrap().write_all_at(NAME.as_bytes(), 5000).unwrap();
    let confirmed = RestoreOptions::confirmed("TH001");
    fails(tenancy.restore(&one, &BackupRef::from(&backup), &confirmed));
    fails(tenancy.drill(&BackupRef::from(&backup)));
    let open = tenancy.tenant(&one).unwrap();
    fails(tenancy.compact(&one));
    drop(open);

    let export = root.join("export");
    debug(tenancy.export(&one, &export, ExportFormat::Ndjson).unwrap());
    fails(tenancy.export(&one, &export, ExportFormat::Ndjson));
    fails(
        tenancy
            .import(&id("TH003"), NewTenant::named("x"), &export)
            .map(drop),
    );
    let table = export.join("tables/patients.ndjson");
    let rows = std::fs::read_to_string(&table).unwrap();
    std::fs::write(&table, rows.replace('}', &format!(",\"{API_KEY}\":1}}"))).unwrap();
    fails(
        tenancy
            .import(&id("TH003"), NewTenant::named("x"), &export)
            .map(drop),
    );

    let old = root.join("old.sqlite3");
    std::fs::write(&old, "").unwrap();
    let mut raw = SqliteConnection::establish(old.to_str().unwrap()).unwrap();
    let sql = format!(
        "CREATE TABLE people (id text, name text, ward text);
         INSERT INTO people VALUES ('{API_KEY}', '{NAME}', NULL), ('{PHONE}', x'{}', '{DIAGNOSIS}')",
        NAME.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()
    );
    raw.batch_execute(&sql).unwrap();
    let mapping: Mapping = "format = 1\n[[table]]\nfrom = \"people\"\nto = \"patients\"\n"
        .parse()
        .unwrap();
    let inspection = tenancy.inspect(&old, &mapping).unwrap();
    println!("{inspection}");
    debug(&inspection);
    let new = NewTenant::named("x");
    fails(
        tenancy
            .adopt(&id("TH004"), new, &old, &mapping, &AdoptOptions::default())
            .map(drop),
    );
}

fn health(tenancy: &Tenancy) {
    let one = id("TH001");
    let orphan = format!(
        "PRAGMA foreign_keys = OFF; INSERT INTO visits (reason, patient_id) VALUES ('{DIAGNOSIS}', 4711)"
    );
    let mut ctx = tenancy.tenant(&one).unwrap();
    ctx.unrouted("test", |raw| raw.connection().batch_execute(&orphan))
        .unwrap();
    let reference = SharedRefColumn {
        table: "patients",
        column: "name",
        target_table: "hospitals",
        target_column: "name",
    };
    let options = VerifyOptions::default().shared_refs(&[reference]);
    let found = tenancy.verify(&one, &options).unwrap();
    println!("{found}");
    debug((&found, tenancy.health_of_all().unwrap()));
    let plan = tenancy
        .plan_repair(&one, &RepairOptions::default())
        .unwrap();
    println!("{plan}");
    debug(&plan);
    debug(
        tenancy
            .repair(&one, &plan)
            .map_err(|failed| error(&failed))
            .is_ok(),
    );

    let apply = |ctx: &mut TenantContext| admit(ctx, NAME);
    let list = ReferenceList::new("drugs", 1, NAME, apply).unwrap();
    let pushed = tenancy
        .push_reference(&list, FanOut::new(), |_| {})
        .unwrap();
    debug((&list, &pushed));
    debug(
        tenancy
            .migrate_fleet(&MigrateFleet::default(), |_| {})
            .unwrap(),
    );
    let sql: &'static str = format!("INSERT INTO patients (name) VALUES ('{NAME}')").leak();
    let later = diesel_tenants::MigrationScript::new("20270101000000", "later", sql);
    let set: diesel_tenants::MigrationSet = crate::app::tenant_migrations()
        .iter()
        .cloned()
        .chain([later])
        .collect();
    debug(&set);
    let other = builder(tenancy.data_directory())
        .tenant_migrations(set)
        .open()
        .unwrap();
    fails(other.migrate_tenant(&one));
    fails(other.migrate_fleet(&MigrateFleet::default(), |_| {}));
}

fn workflows(tenancy: &Tenancy) {
    let two = id("TH002");
    let key = || Some(KEY.parse().unwrap());
    let run = |who| tenancy.run_workflow(&Admission, &two, key(), who);
    fails(run(with_trouble(NAME, "patient")));
    let panicked = catch_unwind(AssertUnwindSafe(|| run(with_trouble(NAME, "!patient"))));
    drop(panicked);
    tenancy.recover().unwrap();
    let _ = run(who(NAME)).map_err(|failed| error(&failed));
    fails(run(who(EMAIL)));
    let veto = diesel::insert_into(users::table).values(users::name.eq("veto on undo"));
    veto.execute(&mut tenancy.shared().unwrap()).unwrap();
    let failing = with_trouble(PHONE, "patient");
    let stuck = tenancy.run_workflow(&Admission, &two, None, failing);
    fails(stuck);
    for left in tenancy.unfinished_workflows().unwrap() {
        debug(&left);
        let _ = tenancy
            .retry_workflow(left.id)
            .map_err(|failed| error(&failed));
    }
}

fn access(tenancy: &Tenancy, nurse: &Principal) {
    let one = id("TH001");
    fails(tenancy.tenant_as(nurse, &one));
    fails(tenancy.tenant_as(nurse, &id("TH404")));
    let (reason, minute) = (REASON.parse().unwrap(), Duration::from_secs(60));
    let grant = tenancy.break_glass(nurse, &one, reason, minute).unwrap();
    debug((&grant, tenancy.active_grants().unwrap()));
    drop(tenancy.tenant_as(nurse, &one).unwrap());
    tenancy.hold(&id("TH002"), REASON).unwrap();
    fails(format!("{REASON}\n").parse::<diesel_tenants::access::Reason>());
    fails(format!("{NAME}\n").parse::<diesel_tenants::access::ActorId>());
}

/// What a command line, a console and a log shipper print of it.
fn listings(tenancy: &Tenancy) {
    let mut exported = Vec::new();
    let all = AuditFilter::all();
    tenancy.export_audit(&all, &mut exported).unwrap();
    // Whoever asks for the log gets the reasons. That is what they are kept for; they are not printed here.
    assert!(String::from_utf8(exported).unwrap().contains(REASON));
    let entries = tenancy.audit_entries(&all, 1_000).unwrap();
    assert!(
        entries
            .iter()
            .any(|entry| entry.reason.as_deref() == Some(REASON))
    );
    for entry in &entries {
        println!(
            "audit: {} {} {} {entry:?}",
            entry.action, entry.actor, entry.detail
        );
    }
    debug(tenancy.verify_audit().unwrap());
    for tenant in tenancy.tenants().unwrap() {
        debug((&tenant, tenancy.usage(&tenant.id).unwrap()));
        debug(tenancy.query_stats(&tenant.id).unwrap());
    }
    debug(
        tenancy
            .backups(&diesel_tenants::BackupFilter::all())
            .unwrap(),
    );
    debug((tenancy.unfinished().unwrap(), tenancy.stats()));
    fails(tenancy.tenant(&id("TH404")));
}

/// Accounts and patients of the hospital's own model.
fn hospital(root: &Path) {
    use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(root)
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .open()
        .unwrap();
    let mut policy = Policy::default();
    policy.hash_cost = HashCost::new(16, 1);
    let accounts = Accounts::new(policy);
    let shared = &mut tenancy.shared().unwrap();
    let now = NaiveDateTime::default();
    let new = NewAccount::new(NAME, "Planted", EMAIL).phone(PHONE);
    let made = accounts.create(shared, &new, now).unwrap();
    let secret = made.password.reveal().to_owned();
    debug((&new, made.user, &made.password));
    fails(accounts.create(shared, &new, now));
    fails(accounts.log_in(shared, &made.username, PASSWORD, Some("192.0.2.1"), now));
    fails(accounts.log_in(shared, API_KEY, PASSWORD, None, now));
    let login = accounts
        .log_in(shared, &made.username, &secret, None, now)
        .unwrap();
    debug(login);
    fails(accounts.change_password(shared, made.user, &secret, EMAIL, None, now));
    let token = accounts
        .begin_session(shared, &login, None, None, Some(API_KEY), now)
        .unwrap();
    debug((&token, SessionToken::from_cookie(API_KEY)));
    let session = accounts.signed_in(shared, &token, None, now).unwrap();
    debug(session);
    let scrambled = |text: &str| text.chars().rev().collect::<String>();
    println!("password scrambled {}", scrambled(&secret));
    println!("token scrambled {}", scrambled(token.reveal()));

    let th001 = tenancy.create(&id("TH001"), NewTenant::named("x")).unwrap();
    let mut ctx = th001.enter().unwrap();
    let born = NaiveDate::from_ymd_opt(1990, 1, 1).unwrap();
    let mut patient =
        NewPatient::named("TH001-PAT-000001", NAME, DIAGNOSIS, born, Sex::Female, now);
    patient.email = Some(EMAIL);
    patient.phone = Some(PHONE);
    let insert = |row: &NewPatient<'_>, ctx: &mut TenantContext| {
        diesel::insert_into(people::table).values(row).execute(ctx)
    };
    insert(&patient, &mut ctx).unwrap();
    fails(insert(&patient, &mut ctx));
    patient.id = Id::new();
    patient.blood_group = Some(API_KEY);
    debug(&patient);
    fails(insert(&patient, &mut ctx));
    debug(
        people::table
            .select(Patient::as_select())
            .load(&mut ctx)
            .unwrap(),
    );
}
