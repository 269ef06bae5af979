//! One row in every table of care.

use super::dsl::*;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::tenant::{
    admissions, appointment_events, appointment_types, appointments, beds, emergency_cases,
    emergency_vitals, opd_visits, operating_theatres, rooms, surgeries, surgery_team,
    teleconsultations, treatments,
};
use diesel_tenants::models::tenant::appointments::{
    Appointment, AppointmentEvent, AppointmentState, AppointmentType, NewAppointment,
    NewAppointmentEvent, NewAppointmentType, Priority,
};
use diesel_tenants::models::tenant::emergency::{
    EmergencyCase, EmergencyVitals, NewEmergencyCase, NewEmergencyVitals, Triage,
};
use diesel_tenants::models::tenant::ipd::{Admission, NewAdmission, NewTreatment, Treatment};
use diesel_tenants::models::tenant::opd::{NewOpdVisit, OpdVisit};
use diesel_tenants::models::tenant::rooms::{Bed, NewBed, NewRoom, Room, RoomKind};
use diesel_tenants::models::tenant::surgery::{
    NewOperatingTheatre, NewSurgery, NewSurgeryTeamMember, OperatingTheatre, Surgery, SurgeryRole,
    SurgeryTeamMember,
};
use diesel_tenants::models::tenant::telemedicine::{NewTeleconsultation, Teleconsultation};
use diesel_tenants::money::Money;

use super::people_rows::People;
use super::round_trip;
use super::values::{at, elsewhere};

pub(super) fn care(conn: &mut Conn, people: &People) -> Appointment {
    let People {
        department,
        doctor,
        patient,
        staff_member,
    } = people;
    let appointment_type = round_trip!(
        conn,
        appointment_types,
        AppointmentType,
        NewAppointmentType {
            id: Id::new(),
            name: "name",
            description: Some("description"),
            duration_minutes: 2,
            color: Some("color")
        }
    );
    let appointment = round_trip!(
        conn,
        appointments,
        Appointment,
        NewAppointment {
            id: Id::new(),
            number: "number",
            patient_id: patient.id,
            doctor_id: doctor.id,
            appointment_type_id: Some(appointment_type.id),
            previous_appointment_id: None,
            starts_at: at(1),
            duration_minutes: 2,
            priority: Priority::Urgent,
            complaint: Some("complaint"),
            notes: Some("notes"),
            fee: Money(105),
            created_by: Some(elsewhere()),
            created_at: at(2)
        }
    );
    round_trip!(
        conn,
        appointment_events,
        AppointmentEvent,
        NewAppointmentEvent {
            id: Id::new(),
            appointment_id: appointment.id,
            from_state: Some(AppointmentState::NoShow),
            to_state: AppointmentState::NoShow,
            reason: Some("reason"),
            changed_by: Some(elsewhere()),
            changed_at: at(1)
        }
    );
    let emergency_case = round_trip!(
        conn,
        emergency_cases,
        EmergencyCase,
        NewEmergencyCase {
            id: Id::new(),
            number: "number",
            patient_id: Some(patient.id),
            patient_name: "patient name",
            triage: Triage::LessUrgent,
            complaint: "complaint",
            arrival_mode: Some("arrival mode"),
            doctor_id: Some(doctor.id),
            arrived_at: at(1),
            registered_by: Some(elsewhere()),
            created_at: at(2)
        }
    );
    round_trip!(
        conn,
        emergency_vitals,
        EmergencyVitals,
        NewEmergencyVitals {
            id: Id::new(),
            emergency_case_id: emergency_case.id,
            temperature: Some(36.6),
            systolic: Some(2),
            diastolic: Some(3),
            heart_rate: Some(4),
            respiratory_rate: Some(5),
            oxygen_saturation: Some(97),
            pain: Some(7),
            notes: Some("notes"),
            recorded_by: Some(elsewhere()),
            recorded_at: at(1)
        }
    );
    let operating_theatre = round_trip!(
        conn,
        operating_theatres,
        OperatingTheatre,
        NewOperatingTheatre {
            id: Id::new(),
            name: "name",
            location: Some("location")
        }
    );
    let surgery = round_trip!(
        conn,
        surgeries,
        Surgery,
        NewSurgery {
            id: Id::new(),
            number: "number",
            patient_id: patient.id,
            doctor_id: doctor.id,
            operating_theatre_id: operating_theatre.id,
            procedure_name: "procedure name",
            scheduled_for: at(1),
            duration_minutes: 2,
            anaesthesia: Some("anaesthesia"),
            notes: Some("notes"),
            created_by: Some(elsewhere()),
            created_at: at(2)
        }
    );
    round_trip!(
        conn,
        surgery_team,
        SurgeryTeamMember,
        NewSurgeryTeamMember {
            id: Id::new(),
            surgery_id: surgery.id,
            staff_member_id: staff_member.id,
            role: SurgeryRole::ScrubNurse
        }
    );
    round_trip!(
        conn,
        teleconsultations,
        Teleconsultation,
        NewTeleconsultation {
            id: Id::new(),
            patient_id: patient.id,
            doctor_id: doctor.id,
            appointment_id: Some(appointment.id),
            meeting_room: "meeting room",
            starts_at: at(1),
            duration_minutes: 2,
            created_at: at(2)
        }
    );
    let room = round_trip!(
        conn,
        rooms,
        Room,
        NewRoom {
            id: Id::new(),
            number: "number",
            floor: -1,
            kind: RoomKind::IntensiveCare,
            department_id: Some(department.id),
            daily_rate: Money(105)
        }
    );
    let bed = round_trip!(
        conn,
        beds,
        Bed,
        NewBed {
            id: Id::new(),
            room_id: room.id,
            number: "number"
        }
    );
    round_trip!(
        conn,
        opd_visits,
        OpdVisit,
        NewOpdVisit {
            id: Id::new(),
            number: "number",
            patient_id: patient.id,
            doctor_id: Some(doctor.id),
            priority: Priority::Urgent,
            symptoms: "symptoms",
            fee: Money(105),
            visited_at: at(1),
            created_by: Some(elsewhere()),
            created_at: at(2)
        }
    );
    let admission = round_trip!(
        conn,
        admissions,
        Admission,
        NewAdmission {
            id: Id::new(),
            number: "number",
            patient_id: patient.id,
            bed_id: bed.id,
            doctor_id: doctor.id,
            reason: "reason",
            admitted_by: Some(elsewhere()),
            admitted_at: at(1),
            created_at: at(2)
        }
    );
    round_trip!(
        conn,
        treatments,
        Treatment,
        NewTreatment {
            id: Id::new(),
            admission_id: admission.id,
            name: "name",
            notes: Some("notes"),
            price: Money(105),
            given_by: Some(elsewhere()),
            given_at: at(1),
            created_at: at(2)
        }
    );

    appointment
}
