//! The tables of a hospital's database.

mod care;
mod diagnostics;
mod finance;
mod goods;
mod office;
mod people;

pub use self::care::{
    admissions, appointment_events, appointment_types, appointments, beds, emergency_cases,
    emergency_vitals, opd_visits, operating_theatres, rooms, surgeries, surgery_team,
    teleconsultations, treatments,
};
pub use self::diagnostics::{
    lab_order_items, lab_orders, lab_results, lab_sections, lab_tests, radiology_orders,
    radiology_studies, study_types,
};
pub use self::finance::{insurance_claims, invoice_items, invoices, payments, services};
pub use self::goods::{
    drug_categories, inventory_items, inventory_transactions, manufacturers, medicines,
    pharmacy_sale_items, pharmacy_sales, prescription_items, prescriptions, stock_movements,
    suppliers,
};
pub use self::office::{
    contact_messages, daily_metrics, dashboard_widgets, leave_requests, notifications,
    number_sequences, patient_feedback, payroll_entries, settings,
};
pub use self::people::{
    departments, doctor_schedules, doctors, nurse_schedules, nurses, patient_documents,
    patient_notes, patient_vitals, patients, staff_attendance, staff_members, staff_schedules,
};

diesel::joinable!(staff_members -> departments (department_id));
diesel::joinable!(staff_schedules -> staff_members (staff_member_id));
diesel::joinable!(staff_attendance -> staff_members (staff_member_id));
diesel::joinable!(doctors -> staff_members (staff_member_id));
diesel::joinable!(doctor_schedules -> doctors (doctor_id));
diesel::joinable!(nurses -> staff_members (staff_member_id));
diesel::joinable!(nurse_schedules -> nurses (nurse_id));
diesel::joinable!(patient_notes -> patients (patient_id));
diesel::joinable!(patient_documents -> patients (patient_id));
diesel::joinable!(patient_vitals -> patients (patient_id));
diesel::joinable!(appointments -> patients (patient_id));
diesel::joinable!(appointments -> doctors (doctor_id));
diesel::joinable!(appointments -> appointment_types (appointment_type_id));
diesel::joinable!(appointment_events -> appointments (appointment_id));
diesel::joinable!(invoices -> patients (patient_id));
diesel::joinable!(invoices -> appointments (appointment_id));
diesel::joinable!(invoice_items -> invoices (invoice_id));
diesel::joinable!(invoice_items -> services (service_id));
diesel::joinable!(payments -> invoices (invoice_id));
diesel::joinable!(insurance_claims -> invoices (invoice_id));
diesel::joinable!(medicines -> drug_categories (drug_category_id));
diesel::joinable!(medicines -> manufacturers (manufacturer_id));
diesel::joinable!(stock_movements -> medicines (medicine_id));
diesel::joinable!(pharmacy_sales -> patients (patient_id));
diesel::joinable!(pharmacy_sale_items -> pharmacy_sales (pharmacy_sale_id));
diesel::joinable!(pharmacy_sale_items -> medicines (medicine_id));
diesel::joinable!(prescriptions -> patients (patient_id));
diesel::joinable!(prescriptions -> doctors (doctor_id));
diesel::joinable!(prescriptions -> appointments (appointment_id));
diesel::joinable!(prescription_items -> prescriptions (prescription_id));
diesel::joinable!(prescription_items -> medicines (medicine_id));
diesel::joinable!(lab_tests -> lab_sections (lab_section_id));
diesel::joinable!(lab_orders -> patients (patient_id));
diesel::joinable!(lab_orders -> doctors (doctor_id));
diesel::joinable!(lab_orders -> appointments (appointment_id));
diesel::joinable!(lab_order_items -> lab_orders (lab_order_id));
diesel::joinable!(lab_order_items -> lab_tests (lab_test_id));
diesel::joinable!(lab_results -> lab_order_items (lab_order_item_id));
diesel::joinable!(radiology_orders -> patients (patient_id));
diesel::joinable!(radiology_orders -> doctors (doctor_id));
diesel::joinable!(radiology_orders -> study_types (study_type_id));
diesel::joinable!(radiology_orders -> appointments (appointment_id));
diesel::joinable!(radiology_studies -> radiology_orders (radiology_order_id));
diesel::joinable!(emergency_cases -> patients (patient_id));
diesel::joinable!(emergency_cases -> doctors (doctor_id));
diesel::joinable!(emergency_vitals -> emergency_cases (emergency_case_id));
diesel::joinable!(surgeries -> patients (patient_id));
diesel::joinable!(surgeries -> doctors (doctor_id));
diesel::joinable!(surgeries -> operating_theatres (operating_theatre_id));
diesel::joinable!(surgery_team -> surgeries (surgery_id));
diesel::joinable!(surgery_team -> staff_members (staff_member_id));
diesel::joinable!(teleconsultations -> patients (patient_id));
diesel::joinable!(teleconsultations -> doctors (doctor_id));
diesel::joinable!(teleconsultations -> appointments (appointment_id));
diesel::joinable!(rooms -> departments (department_id));
diesel::joinable!(beds -> rooms (room_id));
diesel::joinable!(opd_visits -> patients (patient_id));
diesel::joinable!(opd_visits -> doctors (doctor_id));
diesel::joinable!(admissions -> patients (patient_id));
diesel::joinable!(admissions -> beds (bed_id));
diesel::joinable!(admissions -> doctors (doctor_id));
diesel::joinable!(treatments -> admissions (admission_id));
diesel::joinable!(inventory_items -> suppliers (supplier_id));
diesel::joinable!(inventory_transactions -> inventory_items (inventory_item_id));
diesel::joinable!(inventory_transactions -> departments (department_id));
diesel::joinable!(leave_requests -> staff_members (staff_member_id));
diesel::joinable!(payroll_entries -> staff_members (staff_member_id));
diesel::joinable!(patient_feedback -> patients (patient_id));
diesel::joinable!(patient_feedback -> appointments (appointment_id));

diesel::allow_tables_to_appear_in_same_query!(
    admissions,
    appointment_events,
    appointment_types,
    appointments,
    beds,
    contact_messages,
    daily_metrics,
    dashboard_widgets,
    departments,
    doctor_schedules,
    doctors,
    drug_categories,
    emergency_cases,
    emergency_vitals,
    insurance_claims,
    inventory_items,
    inventory_transactions,
    invoice_items,
    invoices,
    lab_order_items,
    lab_orders,
    lab_results,
    lab_sections,
    lab_tests,
    leave_requests,
    manufacturers,
    medicines,
    notifications,
    number_sequences,
    nurse_schedules,
    nurses,
    opd_visits,
    operating_theatres,
    patient_documents,
    patient_feedback,
    patient_notes,
    patient_vitals,
    patients,
    payments,
    payroll_entries,
    pharmacy_sale_items,
    pharmacy_sales,
    prescription_items,
    prescriptions,
    radiology_orders,
    radiology_studies,
    rooms,
    services,
    settings,
    staff_attendance,
    staff_members,
    staff_schedules,
    stock_movements,
    study_types,
    suppliers,
    surgeries,
    surgery_team,
    teleconsultations,
    treatments,
);
