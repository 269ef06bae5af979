//! Tables of services, invoices, payments and claims.

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Something a hospital charges for.
    services (id) {
        id -> Id,
        code -> Text,
        name -> Text,
        category -> Text,
        description -> Nullable<Text>,
        price -> BigInt,
        duration_minutes -> Nullable<Integer>,
        taxable -> Bool,
        active -> Bool,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// What a patient is asked to pay.
    invoices (id) {
        id -> Id,
        number -> Text,
        patient_id -> Id,
        appointment_id -> Nullable<Id>,
        issued_on -> Date,
        due_on -> Date,
        subtotal_amount -> BigInt,
        discount_amount -> BigInt,
        tax_basis_points -> Integer,
        tax_amount -> BigInt,
        total_amount -> BigInt,
        paid_amount -> BigInt,
        state -> Text,
        notes -> Nullable<Text>,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A line of an invoice.
    invoice_items (id) {
        id -> Id,
        invoice_id -> Id,
        service_id -> Nullable<Id>,
        description -> Text,
        quantity -> Integer,
        unit_price -> BigInt,
        total_amount -> BigInt,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Money received for an invoice.
    payments (id) {
        id -> Id,
        number -> Text,
        invoice_id -> Id,
        amount -> BigInt,
        payment_method -> Text,
        state -> Text,
        reference -> Nullable<Text>,
        notes -> Nullable<Text>,
        processed_by -> Nullable<Id>,
        paid_at -> Timestamp,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// An invoice sent to an insurer.
    insurance_claims (id) {
        id -> Id,
        number -> Text,
        invoice_id -> Id,
        provider -> Text,
        policy_number -> Text,
        claimed_amount -> BigInt,
        approved_amount -> Nullable<BigInt>,
        state -> Text,
        submitted_on -> Date,
        answered_on -> Nullable<Date>,
        rejection_reason -> Nullable<Text>,
        notes -> Nullable<Text>,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}
