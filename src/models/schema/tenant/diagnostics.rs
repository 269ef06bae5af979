//! Tables of the laboratory and of imaging.

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A part of the laboratory.
    lab_sections (id) {
        id -> Id,
        code -> Text,
        name -> Text,
        description -> Nullable<Text>,
        head -> Nullable<Id>,
        active -> Bool,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A test the laboratory performs.
    lab_tests (id) {
        id -> Id,
        code -> Text,
        name -> Text,
        lab_section_id -> Id,
        sample_type -> Text,
        unit -> Nullable<Text>,
        reference_range -> Nullable<Text>,
        price -> BigInt,
        turnaround_hours -> Integer,
        fasting -> Bool,
        active -> Bool,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Tests a doctor wants of a patient.
    lab_orders (id) {
        id -> Id,
        number -> Text,
        patient_id -> Id,
        doctor_id -> Id,
        appointment_id -> Nullable<Id>,
        priority -> Text,
        state -> Text,
        clinical_notes -> Nullable<Text>,
        total_amount -> BigInt,
        ordered_at -> Timestamp,
        sample_collected_by -> Nullable<Id>,
        sample_collected_at -> Nullable<Timestamp>,
        completed_at -> Nullable<Timestamp>,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// One test of an order.
    lab_order_items (id) {
        id -> Id,
        lab_order_id -> Id,
        lab_test_id -> Id,
        price -> BigInt,
        state -> Text,
        completed_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// What a test showed.
    lab_results (id) {
        id -> Id,
        lab_order_item_id -> Id,
        value -> Text,
        unit -> Nullable<Text>,
        reference_range -> Nullable<Text>,
        abnormal -> Bool,
        comments -> Nullable<Text>,
        state -> Text,
        performed_by -> Nullable<Id>,
        performed_at -> Timestamp,
        reviewed_by -> Nullable<Id>,
        reviewed_at -> Nullable<Timestamp>,
        reported_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A kind of imaging study.
    study_types (id) {
        id -> Id,
        code -> Text,
        name -> Text,
        modality -> Text,
        body_part -> Nullable<Text>,
        contrast -> Bool,
        price -> BigInt,
        duration_minutes -> Integer,
        active -> Bool,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A study a doctor wants of a patient.
    radiology_orders (id) {
        id -> Id,
        number -> Text,
        patient_id -> Id,
        doctor_id -> Id,
        study_type_id -> Id,
        appointment_id -> Nullable<Id>,
        priority -> Text,
        state -> Text,
        indication -> Text,
        price -> BigInt,
        ordered_at -> Timestamp,
        scheduled_for -> Nullable<Timestamp>,
        completed_at -> Nullable<Timestamp>,
        technologist -> Nullable<Id>,
        radiologist -> Nullable<Id>,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// The pictures of an order, and what they show.
    radiology_studies (id) {
        id -> Id,
        radiology_order_id -> Id,
        study_uid -> Text,
        performed_at -> Timestamp,
        image_count -> Integer,
        findings -> Nullable<Text>,
        impression -> Nullable<Text>,
        critical -> Bool,
        state -> Text,
        reported_by -> Nullable<Id>,
        reported_at -> Nullable<Timestamp>,
        reviewed_by -> Nullable<Id>,
        reviewed_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}
