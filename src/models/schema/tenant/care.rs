//! Tables of care: appointments, emergencies, surgery, consultations by video, rooms, visits and stays.

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A kind of appointment.
    appointment_types (id) {
        id -> Id,
        name -> Text,
        description -> Nullable<Text>,
        duration_minutes -> Integer,
        color -> Nullable<Text>,
        active -> Bool,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A time a patient has with a doctor.
    appointments (id) {
        id -> Id,
        number -> Text,
        patient_id -> Id,
        doctor_id -> Id,
        appointment_type_id -> Nullable<Id>,
        previous_appointment_id -> Nullable<Id>,
        starts_at -> Timestamp,
        duration_minutes -> Integer,
        state -> Text,
        priority -> Text,
        complaint -> Nullable<Text>,
        notes -> Nullable<Text>,
        fee -> BigInt,
        created_by -> Nullable<Id>,
        checked_in_by -> Nullable<Id>,
        checked_in_at -> Nullable<Timestamp>,
        completed_at -> Nullable<Timestamp>,
        cancelled_by -> Nullable<Id>,
        cancelled_at -> Nullable<Timestamp>,
        cancellation_reason -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A change of an appointment's state.
    appointment_events (id) {
        id -> Id,
        appointment_id -> Id,
        from_state -> Nullable<Text>,
        to_state -> Text,
        reason -> Nullable<Text>,
        changed_by -> Nullable<Id>,
        changed_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Somebody who came to the emergency department.
    emergency_cases (id) {
        id -> Id,
        number -> Text,
        patient_id -> Nullable<Id>,
        patient_name -> Text,
        triage -> Text,
        state -> Text,
        complaint -> Text,
        arrival_mode -> Nullable<Text>,
        doctor_id -> Nullable<Id>,
        disposition -> Nullable<Text>,
        arrived_at -> Timestamp,
        closed_at -> Nullable<Timestamp>,
        registered_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Measurements taken in the emergency department.
    emergency_vitals (id) {
        id -> Id,
        emergency_case_id -> Id,
        temperature -> Nullable<Double>,
        systolic -> Nullable<Integer>,
        diastolic -> Nullable<Integer>,
        heart_rate -> Nullable<Integer>,
        respiratory_rate -> Nullable<Integer>,
        oxygen_saturation -> Nullable<Integer>,
        pain -> Nullable<Integer>,
        notes -> Nullable<Text>,
        recorded_by -> Nullable<Id>,
        recorded_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A room for operations.
    operating_theatres (id) {
        id -> Id,
        name -> Text,
        location -> Nullable<Text>,
        active -> Bool,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// An operation.
    surgeries (id) {
        id -> Id,
        number -> Text,
        patient_id -> Id,
        doctor_id -> Id,
        operating_theatre_id -> Id,
        procedure_name -> Text,
        state -> Text,
        scheduled_for -> Timestamp,
        duration_minutes -> Integer,
        anaesthesia -> Nullable<Text>,
        started_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
        notes -> Nullable<Text>,
        complications -> Nullable<Text>,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Somebody takes part in an operation.
    surgery_team (id) {
        id -> Id,
        surgery_id -> Id,
        staff_member_id -> Id,
        role -> Text,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A consultation by video.
    teleconsultations (id) {
        id -> Id,
        patient_id -> Id,
        doctor_id -> Id,
        appointment_id -> Nullable<Id>,
        meeting_room -> Text,
        starts_at -> Timestamp,
        duration_minutes -> Integer,
        state -> Text,
        patient_joined_at -> Nullable<Timestamp>,
        doctor_joined_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
        notes -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A room with beds.
    rooms (id) {
        id -> Id,
        number -> Text,
        floor -> Integer,
        kind -> Text,
        department_id -> Nullable<Id>,
        daily_rate -> BigInt,
        active -> Bool,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A bed; the admissions tell whether it is free.
    beds (id) {
        id -> Id,
        room_id -> Id,
        number -> Text,
        in_service -> Bool,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A visit without an appointment.
    opd_visits (id) {
        id -> Id,
        number -> Text,
        patient_id -> Id,
        doctor_id -> Nullable<Id>,
        priority -> Text,
        state -> Text,
        symptoms -> Text,
        diagnosis -> Nullable<Text>,
        treatment -> Nullable<Text>,
        fee -> BigInt,
        follow_up_on -> Nullable<Date>,
        visited_at -> Timestamp,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A patient's stay; a bed and a patient have one open stay at most.
    admissions (id) {
        id -> Id,
        number -> Text,
        patient_id -> Id,
        bed_id -> Id,
        doctor_id -> Id,
        state -> Text,
        reason -> Text,
        admitted_by -> Nullable<Id>,
        admitted_at -> Timestamp,
        discharged_by -> Nullable<Id>,
        discharged_at -> Nullable<Timestamp>,
        discharge_summary -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Something done during a stay.
    treatments (id) {
        id -> Id,
        admission_id -> Id,
        name -> Text,
        notes -> Nullable<Text>,
        price -> BigInt,
        given_by -> Nullable<Id>,
        given_at -> Timestamp,
        created_at -> Timestamp,
    }
}
