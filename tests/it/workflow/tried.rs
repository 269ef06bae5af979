//! The workflow under test: it goes through the steps that a test gives it.
use std::sync::Mutex;

use diesel_tenants::prelude::*;
use diesel_tenants::workflow::{Flow, Halt, Workflow};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::admission::{Refused, insert_user};
use crate::app::{Fleet, fleet_with, users};

/// By number: what it is called, and whether its runs are alone on their tenant.
const KINDS: [(&str, bool); 3] = [("tried", false), ("alone", true), ("alone, too", true)];

/// What the journal can hold.
pub(super) trait Json: Serialize + DeserializeOwned + 'static {}
impl<T: Serialize + DeserializeOwned + 'static> Json for T {}

pub(super) type Steps<'a, Input, Output, const N: usize> =
    Flow<'a, SqliteConnection, Tried<Input, Output, N>>;

type Through<Input, Output, const N: usize> = dyn for<'a> Fn(&mut Steps<'a, Input, Output, N>, &'a Input) -> Result<Output, Halt<Refused>>
    + Send
    + Sync;

/// A workflow of the steps it was made of, and of one of the [`KINDS`].
pub(super) struct Tried<Input: Json = (), Output: Json = (), const N: usize = 0>(
    Box<Through<Input, Output, N>>,
);

impl<Input: Json, Output: Json, const N: usize> Tried<Input, Output, N> {
    pub(super) fn of(
        steps: impl for<'a> Fn(
            &mut Steps<'a, Input, Output, N>,
            &'a Input,
        ) -> Result<Output, Halt<Refused>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Box::new(steps))
    }
}

impl<Input: Json, Output: Json, const N: usize> Workflow for Tried<Input, Output, N> {
    const NAME: &'static str = KINDS[N].0;
    const ALONE: bool = KINDS[N].1;
    type Input = Input;
    type Output = Output;
    type Error = Refused;

    fn run<'a>(
        &'a self,
        flow: &mut Steps<'a, Input, Output, N>,
        input: &'a Input,
    ) -> Result<Output, Halt<Refused>> {
        (self.0)(flow, input)
    }
}

/// The step that most begin with: a user, Ada, who is taken out again when it is undone.
pub(super) fn ada<Input: Json, Output: Json, const N: usize>(
    flow: &mut Steps<'_, Input, Output, N>,
) -> Result<i32, Halt<Refused>> {
    flow.shared_or_undo(
        "user",
        |shared| Ok(insert_user(shared, "Ada")?),
        |shared, user: i32| {
            diesel::delete(users::table.find(user)).execute(shared)?;
            Ok(())
        },
    )
}

/// Something that happens once, while a run is under way.
#[derive(Default)]
pub(super) struct Meanwhile(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Meanwhile {
    pub(super) fn of(happens: impl FnOnce() + Send + 'static) -> Self {
        let meanwhile = Self::default();
        meanwhile.set(happens);
        meanwhile
    }

    pub(super) fn set(&self, happens: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(happens));
    }

    pub(super) fn happen(&self) {
        let happens = self.0.lock().unwrap().take();
        happens.into_iter().for_each(|happens| happens());
    }
}

/// A hospital of a library that knows this workflow.
pub(super) fn hospital_with<Input: Json, Output: Json>(tried: Tried<Input, Output>) -> Fleet {
    let fleet = fleet_with(|builder| builder.workflow(tried));
    fleet.create("TH001");
    fleet
}
