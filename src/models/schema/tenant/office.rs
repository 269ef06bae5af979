//! Tables of the settings, of leave and pay, figures, messages, feedback and start pages.

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A value the hospital chose.
    settings (key) {
        key -> Text,
        value -> Text,
        description -> Nullable<Text>,
        updated_by -> Nullable<Id>,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    /// The next number of a kind in a period, taken in the transaction that uses it.
    number_sequences (kind, period) {
        kind -> Text,
        period -> Text,
        next -> BigInt,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Somebody wants to be away.
    leave_requests (id) {
        id -> Id,
        staff_member_id -> Id,
        kind -> Text,
        starts_on -> Date,
        ends_on -> Date,
        reason -> Nullable<Text>,
        state -> Text,
        decided_by -> Nullable<Id>,
        decided_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Somebody's pay of a month.
    payroll_entries (id) {
        id -> Id,
        staff_member_id -> Id,
        period -> Text,
        base_amount -> BigInt,
        allowance_amount -> BigInt,
        deduction_amount -> BigInt,
        net_amount -> BigInt,
        state -> Text,
        paid_on -> Nullable<Date>,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A figure of a day.
    daily_metrics (id) {
        id -> Id,
        day -> Date,
        metric -> Text,
        value -> BigInt,
        computed_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A message to a user.
    notifications (id) {
        id -> Id,
        recipient -> Id,
        level -> Text,
        title -> Text,
        body -> Text,
        link -> Nullable<Text>,
        sender -> Nullable<Id>,
        read_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A message from somebody outside.
    contact_messages (id) {
        id -> Id,
        name -> Text,
        email -> Text,
        phone -> Nullable<Text>,
        subject -> Text,
        message -> Text,
        handled_by -> Nullable<Id>,
        handled_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A patient's opinion.
    patient_feedback (id) {
        id -> Id,
        patient_id -> Nullable<Id>,
        appointment_id -> Nullable<Id>,
        rating -> Integer,
        comments -> Nullable<Text>,
        reply -> Nullable<Text>,
        replied_by -> Nullable<Id>,
        replied_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A box on a user's start page.
    dashboard_widgets (id) {
        id -> Id,
        user_id -> Id,
        widget -> Text,
        position -> Integer,
        visible -> Bool,
        options -> Text,
        updated_at -> Nullable<Timestamp>,
    }
}
