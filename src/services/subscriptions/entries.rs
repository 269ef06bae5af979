//! What is entered into the audit log of subscriptions.
use crate::access::Principal;
use crate::audit::AuditNote;
use crate::id::Id;
use crate::models::shared::accounts::Hospital;
use crate::models::shared::subscriptions::SubscriptionState;
use crate::services::permissions::Module;

pub(super) const STARTED: &str = "subscription.start";
pub(super) const PLAN: &str = "subscription.change-plan";
pub(super) const STATE: &str = "subscription.change-state";
pub(super) const PAID: &str = "subscription.activate";
pub(super) const MODULES: &str = "subscription.set-modules";

/// An entry about a hospital's subscription. Its subject is the hospital.
pub(super) fn about(action: &'static str, hospital: Id<Hospital>) -> AuditNote {
    let note = AuditNote::new(action).expect("an action of the list above");
    note.subject(*hospital.as_uuid())
}

pub(super) fn moved(
    hospital: Id<Hospital>,
    from: SubscriptionState,
    to: SubscriptionState,
) -> AuditNote {
    let note = about(STATE, hospital);
    note.with("from", from.to_string())
        .with("to", to.to_string())
}

pub(super) fn switched(hospital: Id<Hospital>, modules: &[Module]) -> AuditNote {
    let names: Vec<&str> = modules.iter().map(|module| module.as_str()).collect();
    about(MODULES, hospital).with("on", names.join(" "))
}

/// Whose doing it is that time passes.
pub(super) fn housekeeping() -> Principal {
    Principal::system("housekeeping".parse().expect("a word is a name"))
}
