//! What each role may use, written down once more: a right that is given by a slip shows here.
use diesel_tenants::models::shared::accounts::Role;
use diesel_tenants::services::permissions::{Module, may_use};

#[test]
fn each_role_may_use_what_it_is_said_to_and_nothing_else() {
    use Module::*;
    let rights = [
        (Role::Superadmin, Module::ALL.to_vec()),
        (Role::HospitalAdmin, Module::ALL.to_vec()),
        (
            Role::Doctor,
            vec![
                Analytics,
                Appointments,
                Dashboard,
                Doctors,
                Emergency,
                Ipd,
                Laboratory,
                Notifications,
                Nurses,
                Opd,
                Patients,
                Pharmacy,
                Radiology,
                Rooms,
                Surgery,
                Telemedicine,
            ],
        ),
        (
            Role::Nurse,
            vec![
                Appointments,
                Dashboard,
                Doctors,
                Emergency,
                Ipd,
                Notifications,
                Nurses,
                Opd,
                Patients,
                Rooms,
                Telemedicine,
            ],
        ),
        (
            Role::Receptionist,
            vec![
                Appointments,
                Billing,
                Contact,
                Dashboard,
                Feedback,
                Notifications,
                Opd,
                Patients,
            ],
        ),
        (
            Role::Pharmacist,
            vec![Dashboard, Inventory, Notifications, Pharmacy],
        ),
        (
            Role::LabTechnician,
            vec![Dashboard, Laboratory, Notifications],
        ),
        (Role::Radiologist, vec![Dashboard, Notifications, Radiology]),
        (
            Role::Accountant,
            vec![Analytics, Billing, Dashboard, Notifications],
        ),
        (Role::HrManager, vec![Dashboard, Hr, Notifications]),
        (
            Role::Staff,
            vec![Contact, Dashboard, Feedback, Notifications],
        ),
        (Role::Patient, vec![]),
    ];
    assert_eq!(rights.len(), Role::ALL.len());
    for (role, wanted) in rights {
        let all = Module::ALL.iter().copied();
        let found: Vec<Module> = all.filter(|module| may_use(role, *module)).collect();
        assert_eq!(found, wanted, "{role}");
    }
}
