//! What a role may do, module by module.
use crate::models::macros::text_enum;
use crate::models::shared::accounts::Role;

text_enum! {
    /// A part of the program, by its name in the routing table.
    pub enum Module: "module" {
        /// Numbers of the day.
        Analytics = "analytics",
        /// Appointments.
        Appointments = "appointments",
        /// Invoices, payments, claims.
        Billing = "billing",
        /// Messages from outside.
        Contact = "contact",
        /// Settings and counters.
        Core = "core",
        /// What a user sees first.
        Dashboard = "dashboard",
        /// Doctors and when they work.
        Doctors = "doctors",
        /// The emergency department.
        Emergency = "emergency",
        /// What patients say.
        Feedback = "feedback",
        /// Leave and pay.
        Hr = "hr",
        /// Stores.
        Inventory = "inventory",
        /// In-patients.
        Ipd = "ipd",
        /// Laboratory.
        Laboratory = "laboratory",
        /// Messages to users.
        Notifications = "notifications",
        /// Nurses and when they work.
        Nurses = "nurses",
        /// Out-patients.
        Opd = "opd",
        /// Patients' records.
        Patients = "patients",
        /// Medicines, prescriptions, sales.
        Pharmacy = "pharmacy",
        /// Imaging.
        Radiology = "radiology",
        /// Rooms and beds.
        Rooms = "rooms",
        /// Staff.
        Staff = "staff",
        /// Operations.
        Surgery = "surgery",
        /// Consultations by video.
        Telemedicine = "telemedicine",
    }
}

/// Whether a member with this role may use a module of the hospital.
///
/// A superadmin and a hospital's admin may use all of them. A patient may use none: patients see their own records,
/// which is another question.
///
/// # Example
/// ```
/// use diesel_tenants::models::shared::accounts::Role;
/// use diesel_tenants::services::permissions::{Module, may_use};
///
/// assert!(may_use(Role::Pharmacist, Module::Pharmacy));
/// assert!(!may_use(Role::Pharmacist, Module::Patients));
/// ```
#[must_use]
pub fn may_use(role: Role, module: Module) -> bool {
    use Role::{
        Accountant, Doctor, HospitalAdmin, HrManager, LabTechnician, Nurse, Patient, Pharmacist,
        Radiologist, Receptionist, Staff, Superadmin,
    };
    match (role, module) {
        (Superadmin | HospitalAdmin, _) => true,
        (Patient, _) => false,
        // Everybody who works here has a first page and is told things.
        (_, Module::Dashboard | Module::Notifications) => true,
        (_, Module::Patients | Module::Appointments | Module::Opd) => {
            matches!(role, Doctor | Nurse | Receptionist)
        }
        (
            _,
            Module::Doctors
            | Module::Nurses
            | Module::Telemedicine
            | Module::Emergency
            | Module::Ipd
            | Module::Rooms,
        ) => {
            matches!(role, Doctor | Nurse)
        }
        (_, Module::Billing) => matches!(role, Accountant | Receptionist),
        (_, Module::Pharmacy) => matches!(role, Pharmacist | Doctor),
        (_, Module::Laboratory) => matches!(role, LabTechnician | Doctor),
        (_, Module::Radiology) => matches!(role, Radiologist | Doctor),
        (_, Module::Inventory) => matches!(role, Pharmacist),
        (_, Module::Analytics) => matches!(role, Accountant | Doctor),
        (_, Module::Surgery) => matches!(role, Doctor),
        (_, Module::Hr) => matches!(role, HrManager),
        (_, Module::Contact | Module::Feedback) => matches!(role, Receptionist | Staff),
        (_, Module::Staff | Module::Core) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::ROUTES;
    use crate::scope::ScopeKind;

    #[test]
    fn the_modules_are_those_of_the_routing_table() {
        let mut routed: Vec<&str> = ROUTES
            .iter()
            .filter(|route| route.scope() == ScopeKind::Tenant)
            .map(|route| route.module())
            .collect();
        routed.sort_unstable();
        routed.dedup();
        let modules: Vec<&str> = Module::ALL.iter().map(|module| module.as_str()).collect();
        assert_eq!(modules, routed);
    }

    #[test]
    fn admins_may_use_everything_and_patients_nothing() {
        for &module in Module::ALL {
            assert!(may_use(Role::Superadmin, module) && may_use(Role::HospitalAdmin, module));
            assert!(!may_use(Role::Patient, module));
            let others = Role::ALL
                .iter()
                .filter(|role| may_use(**role, module))
                .count();
            assert!(others >= 2 && others < Role::ALL.len());
        }
    }
}
