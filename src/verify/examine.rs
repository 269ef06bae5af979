//! Looks at one database: its file, its schema, its ledger, its rows.
use std::sync::Arc;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::result::QueryResult;

use super::finding::Finding;
use super::history::{History, Judgement};
use super::schema::Schema;
use super::{Health, Integrity, SharedRefColumn, Verification, VerifyError, VerifyOptions};
use crate::backend::{Backend, ConnectError, Storage, TenantKey};
use crate::catalog::{Status, TenantRecord};
use crate::database::{Connector, Database};
use crate::failpoint::hit;
use crate::migrate::{LedgerRow, MigrationSet};
use crate::pool::{Checkout, CheckoutError};
use crate::registry::{self, Registry};
use crate::scope::ScopeKind;

/// What a sound database was found to be, for whoever repairs it.
#[derive(Debug, Clone)]
pub(crate) struct Examined {
    pub(crate) schema: Schema,
    pub(crate) ledger: Vec<LedgerRow>,
    pub(crate) judgement: Judgement,
    pub(crate) fenced: bool,
}

impl Examined {
    pub(crate) fn version(&self) -> Option<String> {
        self.ledger.iter().map(|row| row.version.clone()).max()
    }
}

/// The statuses in which a tenant has a database.
fn has_database(status: Status) -> bool {
    matches!(
        status,
        Status::Active | Status::Suspended | Status::Archived | Status::Restoring
    )
}

/// Looks at a tenant; once more where it got another generation meanwhile.
pub(super) fn verify_tenant<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    options: &VerifyOptions,
) -> Result<(Verification, uuid::Uuid), VerifyError> {
    let mut record = record.clone();
    loop {
        if record.status == Status::Reserved {
            let found = Verification::new(Some(&record), vec![Finding::Reserved]);
            return Ok((found, record.uuid));
        }
        if !has_database(record.status) {
            let (id, status) = (record.id, record.status);
            return Err(VerifyError::NoDatabase { id, status });
        }
        let (findings, _) = look(registry, &record, options)?;
        let now = registry.ask(|c| c.catalog_tenant(record.uuid))?;
        match now {
            Some(now) if now.generation != record.generation => record = now,
            Some(now) if !has_database(now.status) => record = now,
            _ => return Ok((Verification::new(Some(&record), findings), record.uuid)),
        }
    }
}

/// What is wrong with a tenant's database, and what it is, where it is sound.
pub(crate) fn look<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    options: &VerifyOptions,
) -> Result<(Vec<Finding>, Option<Examined>), VerifyError> {
    let common = &registry.common;
    let key = record.key();
    let kept = registry.ask(|c| c.catalog_generations(record.uuid))?;
    let kept: Vec<u64> = kept.iter().map(|kept| kept.generation).collect();
    let leftovers = common.storage.leftovers(&key, record.generation, &kept)?;
    // What an operation is making right now is no leftover. Asked afterwards: one that has begun in between counts.
    let under_way = registry
        .ask(|c| c.catalog_open_operation(record.uuid))?
        .is_some();
    // Read before the database is: what is noted from then on is not missed there.
    let seen = registry.ask(|c| c.reference_seen_in(record.uuid, record.generation))?;
    let mut findings = Vec::new();
    let mut examined = None;
    match leftovers.journal {
        // Opening would apply it, and it is not ours.
        Some(file) => findings.push(Finding::StaleJournal { file }),
        None => match open(registry, &key, record.generation) {
            Ok(mut checkout) => {
                let history = common.history().map_err(VerifyError::Wanted)?;
                let context = Context {
                    registry,
                    scope: ScopeKind::Tenant,
                    set: &common.tenant_migrations,
                    history,
                };
                let conn = checkout.conn_mut();
                examined = examine(&context, conn, options, &mut findings);
                let fenced = C::Storage::is_fenced(conn).unwrap_or(false);
                if examined.is_some() {
                    compare_lists(conn, seen, &mut findings);
                }
                // It was opened for this and is not set up for contexts.
                checkout.taint();
                if fenced && !under_way {
                    findings.push(Finding::Fenced);
                }
                if let Some(examined) = &mut examined {
                    examined.fenced = fenced;
                    compare_catalog(record, examined, &mut findings);
                }
            }
            Err(CheckoutError::Connect { source }) => findings.push(refusal(&source)),
            Err(other) => return Err(VerifyError::Open(registry::refused(other, Some(record.id)))),
        },
    }
    if !under_way {
        findings.extend(
            leftovers
                .unknown
                .into_iter()
                .map(|file| Finding::UnknownFile { file }),
        );
        let newer = |generation| Finding::NewerGeneration { generation };
        findings.extend(leftovers.newer.into_iter().map(newer));
        for (generation, file) in leftovers.older {
            findings.push(match is_closed(registry, &key, generation) {
                true => Finding::Leftover { file },
                false => Finding::UnknownGeneration { generation },
            });
        }
        findings.extend(
            leftovers
                .left
                .into_iter()
                .map(|file| Finding::Leftover { file }),
        );
        let lost = |generation| Finding::RetainedGenerationMissing { generation };
        findings.extend(leftovers.lost.into_iter().map(lost));
    }
    Ok((findings, examined))
}

/// Whether a generation was fenced before another took its place, or nothing can be read of it any more.
fn is_closed<C: Backend>(registry: &Registry<C>, key: &TenantKey, generation: u64) -> bool {
    let storage = &registry.common.storage;
    match storage.connect_to_inspect(key, generation) {
        Ok(mut conn) => C::Storage::is_fenced(&mut conn).unwrap_or(false),
        Err(error) => error.is_lost(),
    }
}

fn compare_catalog(record: &TenantRecord, examined: &Examined, findings: &mut Vec<Finding>) {
    if examined.judgement.ahead {
        return;
    }
    let found = examined.version();
    if found != record.schema_version {
        let catalog = record.schema_version.clone();
        findings.push(Finding::CatalogVersion { catalog, found });
    } else if findings
        .iter()
        .all(|finding| finding.health() == Health::Ready)
        && record.schema_fingerprint != Some(examined.schema.fingerprint())
    {
        findings.push(Finding::CatalogFingerprint);
    }
}

/// Whether the reference lists are there that were seen in this database.
fn compare_lists<C: Backend>(conn: &mut C, seen: Vec<(String, u64)>, findings: &mut Vec<Finding>) {
    for (list, seen) in seen {
        match conn.read_reference(&list) {
            Ok(found) => {
                let found = found.map(|entry| entry.version);
                if found < Some(seen) {
                    findings.push(Finding::ReferenceLost { list, seen, found });
                }
            }
            Err(error) => findings.push(Finding::Unreadable {
                reason: chain(&error),
            }),
        }
    }
}

/// A connection of the budget, to look at a database.
fn open<C: Backend>(
    registry: &Registry<C>,
    key: &TenantKey,
    generation: u64,
) -> Result<Checkout<Connector<C>>, CheckoutError<ConnectError>> {
    let common = Arc::clone(&registry.common);
    let database = Database::to_inspect(common, registry.pools.clone(), *key, generation);
    database.slots().checkout()
}

/// What it means that a database was refused.
pub(super) fn refusal(error: &ConnectError) -> Finding {
    match error {
        ConnectError::Missing { .. } => Finding::Missing,
        ConnectError::Empty { .. } => Finding::EmptyFile,
        ConnectError::Unsafe { reason, .. } => Finding::UnsafeFile {
            reason: reason.clone(),
        },
        ConnectError::Damaged { symptom, .. } => Finding::Damaged {
            symptom: symptom.clone(),
        },
        ConnectError::Unstamped { .. } => Finding::Unstamped,
        ConnectError::Foreign { found, .. } => Finding::Foreign {
            found: found.to_string(),
        },
        other => Finding::Unreadable {
            reason: chain(other),
        },
    }
}

/// An error with its causes, on one line. No error that this library returns has a value in it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text.replace('\n', " ")
}

/// What a database is measured by.
pub(super) struct Context<'a, C: Backend> {
    pub(super) registry: &'a Registry<C>,
    pub(super) scope: ScopeKind,
    pub(super) set: &'a MigrationSet,
    pub(super) history: &'a History,
}

/// Reads everything in one transaction that may not write.
pub(super) fn examine<C: Backend>(
    context: &Context<'_, C>,
    conn: &mut C,
    options: &VerifyOptions,
    findings: &mut Vec<Finding>,
) -> Option<Examined> {
    let read = conn
        .set_read_only(true)
        .and_then(|()| conn.begin_read())
        .and_then(|()| examine_inside(context, conn, options, findings));
    // It only read. Whether this works or not, the connection is closed by whoever opened it.
    let _ = AnsiTransactionManager::rollback_transaction(conn);
    match read {
        Ok(examined) => Some(examined),
        Err(error) => {
            findings.push(match C::is_damage(&error) {
                Some(symptom) => Finding::Damaged { symptom },
                None => Finding::Unreadable {
                    reason: chain(&error),
                },
            });
            None
        }
    }
}

fn examine_inside<C: Backend>(
    context: &Context<'_, C>,
    conn: &mut C,
    options: &VerifyOptions,
    findings: &mut Vec<Finding>,
) -> QueryResult<Examined> {
    let schema = conn.read_schema()?;
    hit("verify.schema");
    let ledger = match conn.has_ledger()? {
        true => conn.read_ledger()?,
        false => Vec::new(),
    };
    let judgement = context.history.judge(&schema, &ledger, context.set);
    let routes = context.registry.common.routes;
    for mut finding in judgement.findings.iter().cloned() {
        if let Finding::UnexpectedTable { table } = &finding
            && routes
                .table(table)
                .is_some_and(|route| route.scope() != context.scope)
        {
            let table = table.clone();
            finding = Finding::WrongScope { table };
        }
        findings.push(finding);
    }
    for (table, parent) in conn.dangling_references()? {
        findings.push(Finding::DanglingReference { table, parent });
    }
    if options.integrity != Integrity::Skip {
        let symptoms = conn.integrity(options.integrity == Integrity::Full)?;
        findings.extend(
            symptoms
                .into_iter()
                .map(|(is_damage, symptom)| match is_damage {
                    true => Finding::Damaged { symptom },
                    false => Finding::RowsBreakConstraint { text: symptom },
                }),
        );
    }
    if options.foreign_keys {
        for (table, parent, rows) in conn.broken_references()? {
            findings.push(Finding::ForeignKeyRows {
                table,
                parent,
                rows,
            });
        }
    }
    if context.scope == ScopeKind::Tenant && !options.shared_refs.is_empty() {
        follow(
            context.registry,
            conn,
            &schema,
            &options.shared_refs,
            findings,
        )?;
    }
    Ok(Examined {
        schema,
        ledger,
        judgement,
        fenced: false,
    })
}

/// How many values are looked up in the shared database at a time.
const VALUES: usize = 400;

/// Follows shared references. Both databases are read, the shared one value by value, in no common transaction: a row
/// that is removed there meanwhile is found the next time. The shared one is asked on the catalogue's own connection: who
/// holds one of the budget must not wait for a second.
fn follow<C: Backend>(
    registry: &Registry<C>,
    conn: &mut C,
    schema: &Schema,
    columns: &[SharedRefColumn],
    findings: &mut Vec<Finding>,
) -> QueryResult<()> {
    for to in columns {
        let table = schema.tables.get(&to.table.to_ascii_lowercase());
        let there =
            table.is_some_and(|table| table.columns.contains_key(&to.column.to_ascii_lowercase()));
        if !there {
            // That it is missing is a finding of its own, where the migrations make it.
            continue;
        }
        let (mut after, mut rows) = (String::new(), 0);
        loop {
            let values = conn.references(to.table, to.column, &after, VALUES)?;
            let Some(last) = values.last() else { break };
            after.clone_from(last);
            match registry.ask(|shared| shared.absent(to.target_table, to.target_column, &values)) {
                Ok(absent) if absent.is_empty() => {}
                Ok(absent) => rows += conn.rows_with(to.table, to.column, &absent)?,
                Err(error) => {
                    findings.push(Finding::SharedRefUnchecked {
                        table: to.table.to_owned(),
                        column: to.column.to_owned(),
                        reason: chain(&error),
                    });
                    break;
                }
            }
            if values.len() < VALUES {
                break;
            }
        }
        if rows > 0 {
            findings.push(Finding::SharedRefOrphans {
                table: to.table.to_owned(),
                column: to.column.to_owned(),
                target_table: to.target_table.to_owned(),
                target_column: to.target_column.to_owned(),
                rows,
            });
        }
    }
    Ok(())
}

/// What a database is judged to be once more, inside the transaction of a repair.
pub(crate) fn judge_again<C: Backend>(
    registry: &Registry<C>,
    conn: &mut C,
) -> QueryResult<(Schema, Judgement)> {
    let schema = conn.read_schema()?;
    hit("verify.schema");
    let ledger = match conn.has_ledger()? {
        true => conn.read_ledger()?,
        false => Vec::new(),
    };
    let common = &registry.common;
    let history = common
        .history()
        .map_err(|error| diesel::result::Error::QueryBuilderError(Box::new(error)))?;
    let judgement = history.judge(&schema, &ledger, &common.tenant_migrations);
    Ok((schema, judgement))
}
