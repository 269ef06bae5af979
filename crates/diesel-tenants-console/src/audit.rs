//! The audit log: read, filtered, and checked.
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use diesel_tenants::access::ActorId;
use diesel_tenants::audit::{AuditEntry, AuditFilter, AuditHead, AuditVerification};
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::users;
use diesel_tenants::models::shared::accounts::User;
use diesel_tenants::prelude::*;

use crate::console::{App, Shared};
use crate::failure::{Failure, in_full, show};
use crate::given::{Asked, Fields, cut, encoded};
use crate::session::{Operator, actor_of};
use crate::view;

/// Entries on a page.
const ROWS: usize = 50;

/// What the log is asked for, as it was typed.
#[derive(Default)]
struct Question {
    tenant: String,
    action: String,
    actor: String,
    from: String,
    until: String,
    before: Option<u64>,
}

impl Question {
    fn of(fields: &Fields) -> Self {
        let text = |name: &str| cut(fields.get(name));
        Self {
            tenant: text("tenant"),
            action: text("action"),
            actor: text("actor"),
            from: text("from"),
            until: text("until"),
            // Text that is no number is the newest page, rather than an error.
            before: fields.get("before").parse().ok(),
        }
    }

    /// The filter it stands for, or what is wrong with it.
    fn filter(&self, app: &Shared) -> Result<Result<AuditFilter, &'static str>, Failure> {
        let mut filter = AuditFilter::all().newest_first();
        if let Some(before) = self.before {
            filter = filter.before(before);
        }
        if !self.tenant.is_empty() {
            let Ok(id) = self.tenant.parse() else {
                return Ok(Err("No tenant can have this id."));
            };
            filter = filter.tenant(&id);
        }
        if !self.action.is_empty() {
            filter = filter.action(&self.action);
        }
        if !self.actor.is_empty() {
            let Ok(actor) = actor(app, &self.actor)? else {
                return Ok(Err("Nobody can be called that."));
            };
            filter = filter.actor(&actor);
        }
        if !self.from.is_empty() {
            let Some(from) = moment(&self.from) else {
                return Ok(Err(
                    "The first time is none: write 2026-01-31 or 2026-01-31T08:30, in UTC.",
                ));
            };
            filter = filter.since(from);
        }
        if !self.until.is_empty() {
            let Some(until) = moment(&self.until) else {
                return Ok(Err(
                    "The last time is none: write 2026-01-31 or 2026-01-31T08:30, in UTC.",
                ));
            };
            filter = filter.until(until);
        }
        Ok(Ok(filter))
    }

    fn is_everything(&self) -> bool {
        [
            &self.tenant,
            &self.action,
            &self.actor,
            &self.from,
            &self.until,
        ]
        .iter()
        .all(|text| text.is_empty())
    }

    /// The same question, from another place on.
    fn address(&self, before: Option<u64>) -> String {
        let fields = [
            ("tenant", &self.tenant),
            ("action", &self.action),
            ("actor", &self.actor),
            ("from", &self.from),
            ("until", &self.until),
        ];
        let mut address = "/audit?".to_owned();
        for (name, value) in fields {
            if !value.is_empty() {
                address += &format!("{name}={}&", encoded(value));
            }
        }
        match before {
            Some(before) => address + &format!("before={before}"),
            None => address.trim_end_matches(['?', '&']).to_owned(),
        }
    }
}

/// The actor of this user name, or the one that is called just that.
fn actor(app: &Shared, typed: &str) -> Result<Result<ActorId, ()>, Failure> {
    let user = users::table
        .filter(users::username.eq(typed.to_lowercase()))
        .select(users::id);
    let shared = &mut app.tenancy.shared()?;
    match user.first::<Id<User>>(shared).optional()? {
        Some(user) => Ok(Ok(actor_of(user)?)),
        None => Ok(typed.parse().map_err(drop)),
    }
}

/// A time, or the beginning of a day, in UTC.
fn moment(text: &str) -> Option<SystemTime> {
    let time = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Some(day.and_time(NaiveTime::MIN))
        })?;
    let millis = time.and_utc().timestamp_millis();
    let since = Duration::from_millis(millis.unsigned_abs());
    match millis {
        0.. => UNIX_EPOCH.checked_add(since),
        _ => UNIX_EPOCH.checked_sub(since),
    }
}

/// An entry, as it stands on a page.
pub(crate) struct Row {
    pub(crate) entry: AuditEntry,
    pub(crate) at: view::Moment,
    /// The user's name, where the actor is one of ours.
    pub(crate) name: Option<String>,
    /// What else there is to say, a word and its value each.
    pub(crate) detail: Vec<(String, String)>,
}

impl Row {
    pub(crate) fn actor(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.entry.actor)
    }

    pub(crate) fn tenant(&self) -> &str {
        self.entry.tenant_id.as_deref().unwrap_or("")
    }

    pub(crate) fn reason(&self) -> &str {
        self.entry.reason.as_deref().unwrap_or("")
    }
}

/// Entries with the names of their actors, who are asked for together.
pub(crate) fn rows(app: &Shared, entries: Vec<AuditEntry>) -> Result<Vec<Row>, Failure> {
    let user = |actor: &str| actor.strip_prefix("user:")?.parse::<Id<User>>().ok();
    let ids: HashMap<&str, Id<User>> = entries
        .iter()
        .filter_map(|entry| Some((entry.actor.as_str(), user(&entry.actor)?)))
        .collect();
    let known = users::table
        .filter(users::id.eq_any(ids.into_values()))
        .select((users::id, users::username));
    let known: Vec<(Id<User>, String)> = known.load(&mut app.tenancy.shared()?)?;
    let names: HashMap<String, String> = known
        .into_iter()
        .map(|(id, name)| (format!("user:{id}"), name))
        .collect();
    let row = |entry: AuditEntry| Row {
        at: view::moment(entry.at()),
        name: names.get(&entry.actor).cloned(),
        detail: detail(&entry.detail),
        entry,
    };
    Ok(entries.into_iter().map(row).collect())
}

/// The members of the entry's JSON object. What is none, as in a row somebody tampered with, is shown as it is.
fn detail(json: &str) -> Vec<(String, String)> {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json) {
        Ok(members) => {
            let text = |value: serde_json::Value| match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            let members = members.into_iter();
            members.map(|(name, value)| (name, text(value))).collect()
        }
        Err(_) => vec![("detail".to_owned(), json.to_owned())],
    }
}

/// The newest entries about a tenant.
pub(crate) fn newest(app: &Shared, tenant: uuid::Uuid, count: usize) -> Result<Vec<Row>, Failure> {
    let filter = AuditFilter::all().tenant_uuid(tenant).newest_first();
    rows(app, app.tenancy.audit_entries(&filter, count)?)
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page<'a> {
    me: &'a Operator,
    asked: &'a Question,
    wrong: Option<&'static str>,
    rows: &'a [Row],
    /// The next page begins before this one.
    older: Option<u64>,
    actions: BTreeSet<&'a str>,
}

impl Page<'_> {
    fn at(&self, before: &u64) -> String {
        self.me.mount.to(&self.asked.address(Some(*before)))
    }

    fn newest(&self) -> String {
        self.me.mount.to(&self.asked.address(None))
    }
}

/// `GET /audit`.
pub(crate) async fn page(
    State(app): State<App>,
    operator: Operator,
    Asked(fields): Asked,
) -> Result<Response, Failure> {
    let (asked, found) = app
        .blocking(move |app| {
            let asked = Question::of(&fields);
            let found = match asked.filter(app)? {
                Ok(filter) => {
                    // Openings may wait in memory. That they cannot be written is no reason to show nothing.
                    let _ = app.tenancy.flush_audit();
                    let entries = app.tenancy.audit_entries(&filter, ROWS + 1)?;
                    Ok(rows(app, entries)?)
                }
                Err(wrong) => Err(wrong),
            };
            Ok((asked, found))
        })
        .await?;
    let (mut rows, wrong) = match found {
        Ok(rows) => (rows, None),
        Err(wrong) => (Vec::new(), Some(wrong)),
    };
    // One more than is shown was asked for, to know whether there are more.
    let more = rows.len() > ROWS;
    rows.truncate(ROWS);
    let page = Page {
        me: &operator,
        asked: &asked,
        wrong,
        older: rows.last().filter(|_| more).map(|row| row.entry.seq),
        actions: rows.iter().map(|row| row.entry.action.as_str()).collect(),
        rows: &rows,
    };
    let status = match wrong {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    Ok((status, show(&page)).into_response())
}

#[derive(Template)]
#[template(path = "verification.html")]
struct Verified<'a> {
    me: &'a Operator,
    written: &'a str,
    wrong: bool,
    found: Option<&'a AuditVerification>,
    fault: String,
    head: String,
    /// The entry that is not what it should be, where it is there.
    row: Option<Row>,
}

/// `GET /audit/verification`: nothing is verified by a link that somebody else may have put anywhere.
pub(crate) async fn unverified(operator: Operator) -> Redirect {
    Redirect::to(&operator.mount.to("/audit"))
}

/// `POST /audit/verification`: reads the whole log, and changes nothing.
pub(crate) async fn verification(
    State(app): State<App>,
    operator: Operator,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let written = cut(fields.get("head"));
    let anchor: Result<Option<AuditHead>, _> = match written.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some),
    };
    let Ok(anchor) = anchor else {
        let page = Verified {
            me: &operator,
            written: &written,
            wrong: true,
            found: None,
            fault: String::new(),
            head: String::new(),
            row: None,
        };
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, show(&page)).into_response());
    };
    let (found, head, row) = app
        .long(move |app| {
            let _ = app.tenancy.flush_audit();
            let head = app.tenancy.audit_head()?;
            let found = match &anchor {
                Some(head) => app.tenancy.verify_audit_against(head)?,
                None => app.tenancy.verify_audit()?,
            };
            let row = match found.fault.map(|fault| fault.seq()) {
                Some(seq) => {
                    let filter = AuditFilter::all().after(seq.saturating_sub(1));
                    let filter = filter.before(seq.saturating_add(1));
                    let entries = app.tenancy.audit_entries(&filter, 1)?;
                    rows(app, entries)?.pop()
                }
                None => None,
            };
            Ok((found, head, row))
        })
        .await?;
    Ok(show(&Verified {
        me: &operator,
        written: &written,
        wrong: false,
        fault: found.fault.as_ref().map(|f| in_full(f)).unwrap_or_default(),
        head: head.to_string(),
        found: Some(&found),
        row,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_or_minutes_in_utc() {
        let seconds = |text| {
            let time = moment(text)?;
            Some(time.duration_since(UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(seconds("1970-01-02"), Some(86_400));
        assert_eq!(seconds("1970-01-01T01:02"), Some(3_720));
        assert_eq!(seconds("1970-01-01T00:00:07"), Some(7));
        for none in [
            "",
            "today",
            "2026-02-30",
            "2026-13-01",
            "1",
            "2026-01-01T99:00",
        ] {
            assert_eq!(moment(none), None, "{none}");
        }
        assert!(moment("1900-01-01").is_some_and(|time| time < UNIX_EPOCH));
    }
}
