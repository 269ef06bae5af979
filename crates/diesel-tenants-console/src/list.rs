//! The list of tenants.
use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use diesel_tenants::verify::Health;
use diesel_tenants::{HealthRecord, PoolStats, Status, TenantId, TenantRecord};
use serde::Deserialize;

use crate::chart;
use crate::console::{App, Shared};
use crate::failure::{Failure, show};
use crate::session::Operator;
use crate::view;

/// Tenants on a page.
const ROWS: usize = 50;

/// What the list is asked for.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Asked {
    /// Part of an id, name or subdomain.
    q: String,
    /// A status, by its word.
    status: String,
    /// A health by its word, `unknown` for those never verified.
    health: String,
    /// From 1 on. Text, so that nonsense is the first page rather than an error.
    page: String,
}

struct Row {
    id: TenantId,
    name: String,
    subdomain: String,
    status: view::State,
    health: view::State,
    reason: String,
    more: usize,
    generation: u64,
    schema: String,
    plan: String,
}

struct Choice {
    word: &'static str,
    label: &'static str,
    count: usize,
}

/// A page of what was found.
struct Found {
    all: usize,
    matching: usize,
    page: usize,
    pages: usize,
    rows: Vec<Row>,
    statuses: Vec<Choice>,
    healths: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "list.html")]
struct Page<'a> {
    me: &'a Operator,
    asked: &'a Asked,
    found: &'a Found,
    pool: PoolStats,
    pool_chart: String,
}

impl Page<'_> {
    /// The same question with another page.
    fn at(&self, page: impl std::borrow::Borrow<usize>) -> String {
        let Asked {
            q, status, health, ..
        } = self.asked;
        let q = encoded(q);
        let (status, health) = (encoded(status), encoded(health));
        format!(
            "{}?q={q}&status={status}&health={health}&page={}",
            self.me.mount.to("/tenants"),
            page.borrow()
        )
    }
}

/// A value in an address.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// `GET /tenants`.
pub(crate) async fn page(
    State(app): State<App>,
    operator: Operator,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let (asked, found) = app
        .blocking(move |app| {
            let found = find(app, &asked)?;
            Ok((asked, found))
        })
        .await?;
    let pool = app.tenancy.stats();
    Ok(show(&Page {
        me: &operator,
        asked: &asked,
        found: &found,
        pool_chart: chart::pool(&pool),
        pool,
    }))
}

fn find(app: &Shared, asked: &Asked) -> Result<Found, Failure> {
    let tenants = app.tenancy.tenants()?;
    let last = app.tenancy.health_of_all()?;
    let wanted = asked.q.trim().to_lowercase();
    let status: Option<Status> = asked.status.parse().ok();
    let named = |tenant: &&std::sync::Arc<TenantRecord>| {
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        let in_subdomain = tenant.subdomain.as_ref().is_some_and(|s| has(s.as_str()));
        has(tenant.id.as_str()) || has(tenant.display_name.as_str()) || in_subdomain
    };
    let named: Vec<_> = tenants.iter().filter(named).collect();
    let word = |tenant: &TenantRecord| health_key(last.get(&tenant.id));
    let matching: Vec<_> = named
        .iter()
        .filter(|tenant| status.is_none_or(|status| tenant.status == status))
        .filter(|tenant| asked.health.is_empty() || word(tenant) == asked.health)
        .collect();
    let pages = matching.len().div_ceil(ROWS).max(1);
    let page = asked.page.parse().unwrap_or(1).clamp(1, pages);
    let rows = matching.iter().skip((page - 1) * ROWS).take(ROWS);
    let statuses = Status::ALL.into_iter().map(|status| Choice {
        word: status.as_str(),
        label: view::status(status).word,
        count: named
            .iter()
            .filter(|tenant| tenant.status == status)
            .count(),
    });
    Ok(Found {
        all: tenants.len(),
        matching: matching.len(),
        page,
        pages,
        rows: rows.map(|tenant| row(tenant, &last)).collect(),
        statuses: statuses
            .filter(|c| c.count > 0 || c.word == asked.status)
            .collect(),
        healths: healths(named.iter().map(|tenant| word(tenant)), &asked.health),
    })
}

/// The word for the last verification in addresses.
fn health_key(last: Option<&HealthRecord>) -> &'static str {
    last.map_or("unknown", |last| last.status.as_str())
}

fn healths<'a>(words: impl Iterator<Item = &'a str>, chosen: &str) -> Vec<Choice> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let known = Health::ALL.into_iter().map(|health| Choice {
        word: health.as_str(),
        label: view::health_word(health),
        count: counts.get(health.as_str()).copied().unwrap_or(0),
    });
    let unknown = Choice {
        word: "unknown",
        label: "Not verified",
        count: counts.get("unknown").copied().unwrap_or(0),
    };
    known
        .chain([unknown])
        .filter(|choice| choice.count > 0 || choice.word == chosen)
        .collect()
}

fn row(tenant: &TenantRecord, last: &BTreeMap<TenantId, HealthRecord>) -> Row {
    let last = last.get(&tenant.id);
    let findings = last.map_or(&[][..], |last| &last.findings);
    Row {
        id: tenant.id,
        name: tenant.display_name.to_string(),
        subdomain: tenant
            .subdomain
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        status: view::status(tenant.status),
        health: view::health(last.map(|last| last.status)),
        reason: findings
            .first()
            .map_or_else(String::new, |f| f.text.clone()),
        more: findings.len().saturating_sub(1),
        generation: tenant.generation,
        schema: tenant.schema_version.clone().unwrap_or_default(),
        plan: tenant.plan.clone().unwrap_or_default(),
    }
}
