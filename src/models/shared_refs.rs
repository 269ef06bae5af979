//! The columns of a hospital's tables that name rows of the shared database.
use crate::verify::SharedRefColumn;

const fn user(table: &'static str, column: &'static str) -> SharedRefColumn {
    to(table, column, "users")
}

const fn to(
    table: &'static str,
    column: &'static str,
    target_table: &'static str,
) -> SharedRefColumn {
    SharedRefColumn {
        table,
        column,
        target_table,
        target_column: "id",
    }
}

/// Every [`SharedRef`](crate::id::SharedRef) column of the hospital's tables, for
/// [`VerifyOptions::shared_refs`](crate::verify::VerifyOptions::shared_refs).
pub const SHARED_REFS: &[SharedRefColumn] = &[
    user("admissions", "admitted_by"),
    user("admissions", "discharged_by"),
    user("appointment_events", "changed_by"),
    user("appointments", "created_by"),
    user("appointments", "checked_in_by"),
    user("appointments", "cancelled_by"),
    user("contact_messages", "handled_by"),
    user("dashboard_widgets", "user_id"),
    user("departments", "head"),
    user("emergency_cases", "registered_by"),
    user("emergency_vitals", "recorded_by"),
    user("insurance_claims", "created_by"),
    user("inventory_transactions", "performed_by"),
    user("invoices", "created_by"),
    user("lab_orders", "sample_collected_by"),
    user("lab_orders", "created_by"),
    user("lab_results", "performed_by"),
    user("lab_results", "reviewed_by"),
    user("lab_sections", "head"),
    user("leave_requests", "decided_by"),
    user("medicines", "created_by"),
    user("notifications", "recipient"),
    user("notifications", "sender"),
    user("opd_visits", "created_by"),
    user("patient_documents", "uploaded_by"),
    user("patient_feedback", "replied_by"),
    user("patient_notes", "created_by"),
    user("patient_vitals", "recorded_by"),
    user("patients", "user_id"),
    user("patients", "registered_by"),
    user("payments", "processed_by"),
    user("payroll_entries", "created_by"),
    user("pharmacy_sales", "sold_by"),
    to("pharmacy_sales", "hospital_id", "hospitals"),
    user("prescriptions", "dispensed_by"),
    user("prescriptions", "created_by"),
    user("radiology_orders", "technologist"),
    user("radiology_orders", "radiologist"),
    user("radiology_orders", "created_by"),
    user("radiology_studies", "reported_by"),
    user("radiology_studies", "reviewed_by"),
    user("settings", "updated_by"),
    user("staff_attendance", "marked_by"),
    user("staff_members", "user_id"),
    user("staff_members", "created_by"),
    user("stock_movements", "created_by"),
    user("surgeries", "created_by"),
    user("treatments", "given_by"),
];
