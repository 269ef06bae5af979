//! Two workflows for the tests: a user with a patient, and a hospital with its database.
use diesel_tenants::prelude::*;
use diesel_tenants::workflow::{Flow, Halt, Workflow};
use serde::{Deserialize, Serialize};

use crate::app::{hospitals, patients, users};

/// The error of a step: names the step and nothing else.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("`{0}` was told to fail")]
    Told(&'static str),
    #[error("there is a veto")]
    Veto,
    #[error("a statement failed")]
    Query(#[from] diesel::result::Error),
}

/// Who is admitted, and what goes wrong on the way: the name of a step that fails, or that panics after a `!`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) trouble: Option<String>,
}

pub(crate) fn who(name: &str) -> Who {
    Who {
        name: name.to_owned(),
        trouble: None,
    }
}

pub(crate) fn with_trouble(name: &str, trouble: &str) -> Who {
    Who {
        name: name.to_owned(),
        trouble: Some(trouble.to_owned()),
    }
}

impl Who {
    fn may(&self, step: &'static str) -> Result<(), Refused> {
        match self.trouble.as_deref() {
            Some(trouble) if trouble == step => Err(Refused::Told(step)),
            Some(trouble) if trouble.strip_prefix('!') == Some(step) => panic!("told to"),
            _ => Ok(()),
        }
    }
}

/// Whether the shared database holds a user of this name: something in the way, that can be taken out.
pub(super) fn no_veto(shared: &mut SharedContext, of: &str) -> Result<(), Refused> {
    let vetoes = users::table.filter(users::name.eq(format!("veto on {of}")));
    match vetoes.count().get_result::<i64>(shared)? {
        0 => Ok(()),
        _ => Err(Refused::Veto),
    }
}

pub(super) fn insert_user(shared: &mut SharedContext, name: &str) -> QueryResult<i32> {
    diesel::insert_into(users::table)
        .values(users::name.eq(name))
        .returning(users::id)
        .get_result(shared)
}

pub(super) fn insert_patient(tenant: &mut TenantContext, name: &str) -> QueryResult<i32> {
    diesel::insert_into(patients::table)
        .values((patients::name.eq(name), patients::ward.eq("A")))
        .returning(patients::id)
        .get_result(tenant)
}

pub(crate) struct Admission;

impl Workflow for Admission {
    const NAME: &'static str = "admission";
    type Input = Who;
    type Output = (i32, i32);
    type Error = Refused;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        who: &'a Who,
    ) -> Result<(i32, i32), Halt<Refused>> {
        let user: i32 = flow.shared_or_undo(
            "user",
            |shared| {
                let user = insert_user(shared, &format!("pending {}", who.name))?;
                who.may("user").map(|()| user)
            },
            |shared, user| {
                no_veto(shared, "undo")?;
                diesel::delete(users::table.find(user)).execute(shared)?;
                Ok(())
            },
        )?;
        // A step in the tenant that does not commit yet, and is undone there.
        let visitor: i32 = flow.tenant_or_undo(
            "visitor",
            |tenant| {
                let visitor = insert_patient(tenant, &format!("pending {}", who.name))?;
                who.may("visitor").map(|()| visitor)
            },
            |tenant, visitor| {
                diesel::delete(patients::table.find(visitor)).execute(tenant)?;
                Ok(())
            },
        )?;
        who.may("between")?;
        let patient: i32 = flow.committing().tenant("patient", |tenant| {
            let named = diesel::update(patients::table.find(visitor));
            named.set(patients::name.eq(&who.name)).execute(tenant)?;
            who.may("patient").map(|()| visitor)
        })?;
        flow.finish("activate", |shared| {
            no_veto(shared, "activate")?;
            let user_row = diesel::update(users::table.find(user));
            user_row.set(users::name.eq(&who.name)).execute(shared)?;
            who.may("activate").map(|()| (user, patient))
        })
    }
}

pub(crate) struct Onboarding;

impl Workflow for Onboarding {
    const NAME: &'static str = "onboarding";
    type Input = Who;
    type Output = i32;
    type Error = Refused;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        who: &'a Who,
    ) -> Result<i32, Halt<Refused>> {
        let hospital: i32 = flow.shared_or_undo(
            "hospital",
            |shared| {
                let hospital = diesel::insert_into(hospitals::table)
                    .values(hospitals::name.eq(format!("pending {}", who.name)))
                    .returning(hospitals::id)
                    .get_result(shared)?;
                who.may("hospital").map(|()| hospital)
            },
            |shared, hospital| {
                diesel::delete(hospitals::table.find(hospital)).execute(shared)?;
                Ok(())
            },
        )?;
        flow.create_tenant("database", NewTenant::named(&who.name).subdomain("th001"))?;
        flow.tenant("first row", |tenant| {
            insert_patient(tenant, "first")?;
            who.may("first row")
        })?;
        flow.shared("open", |shared| {
            let row = diesel::update(hospitals::table.find(hospital));
            row.set(hospitals::name.eq(&who.name)).execute(shared)?;
            who.may("open")
        })?;
        Ok(hospital)
    }
}
