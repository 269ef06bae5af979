//! Tables of the people: staff, doctors, nurses, patients.

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A part of the hospital.
    departments (id) {
        id -> Id,
        name -> Text,
        description -> Nullable<Text>,
        head -> Nullable<Id>,
        active -> Bool,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Somebody employed by the hospital.
    staff_members (id) {
        id -> Id,
        number -> Text,
        user_id -> Nullable<Id>,
        department_id -> Nullable<Id>,
        kind -> Text,
        given_name -> Text,
        family_name -> Text,
        birth_date -> Nullable<Date>,
        phone -> Nullable<Text>,
        email -> Nullable<Text>,
        address -> Nullable<Text>,
        emergency_contact_name -> Nullable<Text>,
        emergency_contact_phone -> Nullable<Text>,
        position -> Nullable<Text>,
        qualifications -> Nullable<Text>,
        employment -> Text,
        shift -> Text,
        salary -> Nullable<BigInt>,
        hired_on -> Date,
        contract_ends_on -> Nullable<Date>,
        active -> Bool,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// The hours somebody works on a day of the week.
    staff_schedules (id) {
        id -> Id,
        staff_member_id -> Id,
        weekday -> Integer,
        starts_at -> Time,
        ends_at -> Time,
        active -> Bool,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Whether somebody came to work on a day.
    staff_attendance (id) {
        id -> Id,
        staff_member_id -> Id,
        day -> Date,
        state -> Text,
        came_at -> Nullable<Time>,
        left_at -> Nullable<Time>,
        notes -> Nullable<Text>,
        marked_by -> Nullable<Id>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A member of staff who treats patients.
    doctors (id) {
        id -> Id,
        staff_member_id -> Id,
        number -> Text,
        specialization -> Text,
        license_number -> Text,
        qualification -> Nullable<Text>,
        consultation_fee -> BigInt,
        active -> Bool,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Hours in which a doctor can be booked.
    doctor_schedules (id) {
        id -> Id,
        doctor_id -> Id,
        weekday -> Integer,
        starts_at -> Time,
        ends_at -> Time,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A member of staff who cares for patients.
    nurses (id) {
        id -> Id,
        staff_member_id -> Id,
        number -> Text,
        license_number -> Nullable<Text>,
        grade -> Nullable<Text>,
        specialty -> Nullable<Text>,
        active -> Bool,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A nurse's shift on a day.
    nurse_schedules (id) {
        id -> Id,
        nurse_id -> Id,
        day -> Date,
        starts_at -> Time,
        ends_at -> Time,
        notes -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A person who is or was treated here.
    patients (id) {
        id -> Id,
        number -> Text,
        given_name -> Text,
        middle_name -> Nullable<Text>,
        family_name -> Text,
        birth_date -> Date,
        sex -> Text,
        blood_group -> Nullable<Text>,
        phone -> Nullable<Text>,
        alternate_phone -> Nullable<Text>,
        email -> Nullable<Text>,
        address -> Nullable<Text>,
        city -> Nullable<Text>,
        region -> Nullable<Text>,
        postal_code -> Nullable<Text>,
        country -> Nullable<Text>,
        emergency_contact_name -> Nullable<Text>,
        emergency_contact_relation -> Nullable<Text>,
        emergency_contact_phone -> Nullable<Text>,
        allergies -> Nullable<Text>,
        chronic_conditions -> Nullable<Text>,
        current_medications -> Nullable<Text>,
        medical_history -> Nullable<Text>,
        family_history -> Nullable<Text>,
        insurance_provider -> Nullable<Text>,
        insurance_policy_number -> Nullable<Text>,
        user_id -> Nullable<Id>,
        registered_by -> Nullable<Id>,
        active -> Bool,
        last_visit_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A remark in a patient's record.
    patient_notes (id) {
        id -> Id,
        patient_id -> Id,
        note -> Text,
        confidential -> Bool,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A file in a patient's record; the file itself is kept elsewhere.
    patient_documents (id) {
        id -> Id,
        patient_id -> Id,
        kind -> Text,
        title -> Text,
        description -> Nullable<Text>,
        storage_key -> Text,
        content_sha256 -> Text,
        confidential -> Bool,
        uploaded_by -> Nullable<Id>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Measurements taken of a patient.
    patient_vitals (id) {
        id -> Id,
        patient_id -> Id,
        temperature -> Nullable<Double>,
        systolic -> Nullable<Integer>,
        diastolic -> Nullable<Integer>,
        heart_rate -> Nullable<Integer>,
        respiratory_rate -> Nullable<Integer>,
        oxygen_saturation -> Nullable<Integer>,
        weight -> Nullable<Double>,
        height -> Nullable<Double>,
        notes -> Nullable<Text>,
        recorded_by -> Nullable<Id>,
        recorded_at -> Timestamp,
    }
}
