//! Where every table of the hospital lives.
use crate::models::schema;
use crate::models::shared::{accounts, subscriptions};
use crate::models::tenant::{
    analytics, appointments, billing, contact, core, dashboard, doctors, emergency, feedback, hr,
    inventory, ipd, laboratory, notifications, nurses, opd, patients, pharmacy, radiology, rooms,
    staff, surgery, telemedicine,
};

crate::routes! {
    /// The hospital's routing table: what belongs to no single hospital is shared, everything else is each
    /// hospital's own.
    pub static ROUTES;
    shared {
        accounts {
            schema::shared::hospitals: accounts::Hospital,
            schema::shared::users: accounts::User,
            schema::shared::profiles: accounts::Profile,
            schema::shared::sessions: accounts::Session,
            schema::shared::groups: accounts::Group,
            schema::shared::permissions: accounts::Permission,
            schema::shared::user_groups: accounts::UserGroup,
            schema::shared::group_permissions: accounts::GroupPermission,
            schema::shared::tenant_access: accounts::TenantAccess,
            schema::shared::login_attempts: accounts::LoginAttempt,
        }
        subscriptions {
            schema::shared::plans: subscriptions::Plan,
            schema::shared::subscriptions: subscriptions::Subscription,
            schema::shared::hospital_modules: subscriptions::HospitalModule,
            schema::shared::contract_acceptances: subscriptions::ContractAcceptance,
        }
    }
    tenant {
        analytics {
            schema::tenant::daily_metrics: analytics::DailyMetric,
        }
        appointments {
            schema::tenant::appointment_types: appointments::AppointmentType,
            schema::tenant::appointments: appointments::Appointment,
            schema::tenant::appointment_events: appointments::AppointmentEvent,
        }
        billing {
            schema::tenant::services: billing::Service,
            schema::tenant::invoices: billing::Invoice,
            schema::tenant::invoice_items: billing::InvoiceItem,
            schema::tenant::payments: billing::Payment,
            schema::tenant::insurance_claims: billing::InsuranceClaim,
        }
        contact {
            schema::tenant::contact_messages: contact::ContactMessage,
        }
        core {
            schema::tenant::settings: core::Setting,
            schema::tenant::number_sequences: core::NumberSequence,
        }
        dashboard {
            schema::tenant::dashboard_widgets: dashboard::DashboardWidget,
        }
        doctors {
            schema::tenant::doctors: doctors::Doctor,
            schema::tenant::doctor_schedules: doctors::DoctorSchedule,
        }
        emergency {
            schema::tenant::emergency_cases: emergency::EmergencyCase,
            schema::tenant::emergency_vitals: emergency::EmergencyVitals,
        }
        feedback {
            schema::tenant::patient_feedback: feedback::PatientFeedback,
        }
        hr {
            schema::tenant::leave_requests: hr::LeaveRequest,
            schema::tenant::payroll_entries: hr::PayrollEntry,
        }
        inventory {
            schema::tenant::suppliers: inventory::Supplier,
            schema::tenant::inventory_items: inventory::InventoryItem,
            schema::tenant::inventory_transactions: inventory::InventoryTransaction,
        }
        ipd {
            schema::tenant::admissions: ipd::Admission,
            schema::tenant::treatments: ipd::Treatment,
        }
        laboratory {
            schema::tenant::lab_sections: laboratory::LabSection,
            schema::tenant::lab_tests: laboratory::LabTest,
            schema::tenant::lab_orders: laboratory::LabOrder,
            schema::tenant::lab_order_items: laboratory::LabOrderItem,
            schema::tenant::lab_results: laboratory::LabResult,
        }
        notifications {
            schema::tenant::notifications: notifications::Notification,
        }
        nurses {
            schema::tenant::nurses: nurses::Nurse,
            schema::tenant::nurse_schedules: nurses::NurseSchedule,
        }
        opd {
            schema::tenant::opd_visits: opd::OpdVisit,
        }
        patients {
            schema::tenant::patients: patients::Patient,
            schema::tenant::patient_notes: patients::PatientNote,
            schema::tenant::patient_documents: patients::PatientDocument,
            schema::tenant::patient_vitals: patients::PatientVitals,
        }
        pharmacy {
            schema::tenant::drug_categories: pharmacy::DrugCategory,
            schema::tenant::manufacturers: pharmacy::Manufacturer,
            schema::tenant::medicines: pharmacy::Medicine,
            schema::tenant::stock_movements: pharmacy::StockMovement,
            schema::tenant::pharmacy_sales: pharmacy::PharmacySale,
            schema::tenant::pharmacy_sale_items: pharmacy::PharmacySaleItem,
            schema::tenant::prescriptions: pharmacy::Prescription,
            schema::tenant::prescription_items: pharmacy::PrescriptionItem,
        }
        radiology {
            schema::tenant::study_types: radiology::StudyType,
            schema::tenant::radiology_orders: radiology::RadiologyOrder,
            schema::tenant::radiology_studies: radiology::RadiologyStudy,
        }
        rooms {
            schema::tenant::rooms: rooms::Room,
            schema::tenant::beds: rooms::Bed,
        }
        staff {
            schema::tenant::departments: staff::Department,
            schema::tenant::staff_members: staff::StaffMember,
            schema::tenant::staff_schedules: staff::StaffSchedule,
            schema::tenant::staff_attendance: staff::StaffAttendance,
        }
        surgery {
            schema::tenant::operating_theatres: surgery::OperatingTheatre,
            schema::tenant::surgeries: surgery::Surgery,
            schema::tenant::surgery_team: surgery::SurgeryTeamMember,
        }
        telemedicine {
            schema::tenant::teleconsultations: telemedicine::Teleconsultation,
        }
    }
}
