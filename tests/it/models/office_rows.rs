//! One row in every table of the office.

use super::dsl::*;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::tenant::{
    contact_messages, daily_metrics, dashboard_widgets, leave_requests, notifications,
    number_sequences, patient_feedback, payroll_entries, settings,
};
use diesel_tenants::models::tenant::analytics::{DailyMetric, NewDailyMetric};
use diesel_tenants::models::tenant::appointments::Appointment;
use diesel_tenants::models::tenant::contact::{ContactMessage, NewContactMessage};
use diesel_tenants::models::tenant::core::{
    NewNumberSequence, NewSetting, NumberSequence, Setting,
};
use diesel_tenants::models::tenant::dashboard::{DashboardWidget, NewDashboardWidget};
use diesel_tenants::models::tenant::feedback::{NewPatientFeedback, PatientFeedback};
use diesel_tenants::models::tenant::hr::{
    LeaveKind, LeaveRequest, NewLeaveRequest, NewPayrollEntry, PayrollEntry,
};
use diesel_tenants::models::tenant::notifications::{
    NewNotification, Notification, NotificationLevel,
};
use diesel_tenants::money::Money;

use super::people_rows::People;
use super::round_trip;
use super::values::{at, day, elsewhere};

pub(super) fn office(conn: &mut Conn, people: &People, appointment: &Appointment) {
    let People {
        patient,
        staff_member,
        ..
    } = people;
    round_trip!(
        conn,
        settings,
        Setting,
        NewSetting {
            key: "key",
            value: "value",
            description: Some("description"),
            updated_by: Some(elsewhere()),
            updated_at: at(1)
        }
    );
    round_trip!(
        conn,
        number_sequences,
        NumberSequence,
        NewNumberSequence {
            kind: "kind",
            period: "period",
            next: 1 << 40
        }
    );
    round_trip!(
        conn,
        leave_requests,
        LeaveRequest,
        NewLeaveRequest {
            id: Id::new(),
            staff_member_id: staff_member.id,
            kind: LeaveKind::Parental,
            starts_on: day(1),
            ends_on: day(2),
            reason: Some("reason"),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        payroll_entries,
        PayrollEntry,
        NewPayrollEntry {
            id: Id::new(),
            staff_member_id: staff_member.id,
            period: "2026-03",
            base_amount: Money(105),
            allowance_amount: Money(205),
            deduction_amount: Money(305),
            net_amount: Money(405),
            created_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        daily_metrics,
        DailyMetric,
        NewDailyMetric {
            id: Id::new(),
            day: day(1),
            metric: "metric",
            value: 1 << 40,
            computed_at: at(1)
        }
    );
    round_trip!(
        conn,
        notifications,
        Notification,
        NewNotification {
            id: Id::new(),
            recipient: elsewhere(),
            level: NotificationLevel::Warning,
            title: "title",
            body: "body",
            link: Some("link"),
            sender: Some(elsewhere()),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        contact_messages,
        ContactMessage,
        NewContactMessage {
            id: Id::new(),
            name: "name",
            email: "email",
            phone: Some("phone"),
            subject: "subject",
            message: "message",
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        patient_feedback,
        PatientFeedback,
        NewPatientFeedback {
            id: Id::new(),
            patient_id: Some(patient.id),
            appointment_id: Some(appointment.id),
            rating: 4,
            comments: Some("comments"),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        dashboard_widgets,
        DashboardWidget,
        NewDashboardWidget {
            id: Id::new(),
            user_id: elsewhere(),
            widget: "widget",
            position: 2,
            options: "options"
        }
    );
}
