//! The list of tenants.
use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use diesel_tenants::verify::Health;
use diesel_tenants::{HealthRecord, PoolStats, Status, TenantId, TenantRecord};

use crate::chart;
use crate::console::{App, Shared};
use crate::failure::{Failure, show};
use crate::given::{Asked, Fields, cut, encoded};
use crate::session::Operator;
use crate::view;

/// Tenants on a page.
const ROWS: usize = 50;

/// What the list is asked for.
#[derive(Default)]
pub(crate) struct Filter {
    /// Part of an id, name or subdomain.
    q: String,
    /// A status, by its word. One that is none is nobody's: a slip must not turn into everybody.
    status: String,
    /// A health by its word, `unknown` for those never verified.
    health: String,
}

impl Filter {
    pub(crate) fn of(fields: &Fields) -> Self {
        let text = |name: &str| cut(fields.get(name));
        Self {
            q: text("q"),
            status: text("status"),
            health: text("health"),
        }
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.q.is_empty() && self.status.is_empty() && self.health.is_empty()
    }

    /// All tenants it finds, on whichever page.
    pub(crate) fn ids(&self, app: &Shared) -> Result<Vec<TenantId>, Failure> {
        let tenants = app.tenancy.tenants()?;
        let last = app.tenancy.health_of_all()?;
        let named = self.named(&tenants);
        let matching = named.filter(|tenant| self.matches(tenant, &last));
        Ok(matching.map(|tenant| tenant.id).collect())
    }

    /// The tenants that are called so.
    fn named<'a>(
        &'a self,
        tenants: &'a [Arc<TenantRecord>],
    ) -> impl Iterator<Item = &'a TenantRecord> {
        let wanted = self.q.to_lowercase();
        tenants.iter().map(Arc::as_ref).filter(move |tenant| {
            let has = |text: &str| text.to_lowercase().contains(&wanted);
            let in_subdomain = tenant.subdomain.as_ref().is_some_and(|s| has(s.as_str()));
            has(tenant.id.as_str()) || has(tenant.display_name.as_str()) || in_subdomain
        })
    }

    fn matches(&self, tenant: &TenantRecord, last: &BTreeMap<TenantId, HealthRecord>) -> bool {
        (self.status.is_empty() || tenant.status.as_str() == self.status)
            && (self.health.is_empty() || health_key(last.get(&tenant.id)) == self.health)
    }
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
    asked: &'a Filter,
    found: &'a Found,
    pool: PoolStats,
    pool_chart: String,
}

impl Page<'_> {
    /// The same question with another page.
    fn at(&self, page: impl std::borrow::Borrow<usize>) -> String {
        let Filter { q, status, health } = self.asked;
        let q = encoded(q);
        let (status, health) = (encoded(status), encoded(health));
        format!(
            "{}?q={q}&status={status}&health={health}&page={}",
            self.me.mount.to("/tenants"),
            page.borrow()
        )
    }
}

/// `GET /tenants`.
pub(crate) async fn page(
    State(app): State<App>,
    operator: Operator,
    Asked(fields): Asked,
) -> Result<Response, Failure> {
    let (asked, found) = app
        .blocking(move |app| {
            let asked = Filter::of(&fields);
            // Nonsense is the first page, rather than an error.
            let page = fields.get("page").parse().unwrap_or(1);
            let found = find(app, &asked, page)?;
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

fn find(app: &Shared, asked: &Filter, page: usize) -> Result<Found, Failure> {
    let tenants = app.tenancy.tenants()?;
    let last = app.tenancy.health_of_all()?;
    let named: Vec<_> = asked.named(&tenants).collect();
    let word = |tenant: &TenantRecord| health_key(last.get(&tenant.id));
    let matching = named.iter().filter(|tenant| asked.matches(tenant, &last));
    let matching: Vec<_> = matching.collect();
    let pages = matching.len().div_ceil(ROWS).max(1);
    let page = page.clamp(1, pages);
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
