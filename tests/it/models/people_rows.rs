//! One row in every table of staff, doctors, nurses and patients.

use super::dsl::*;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::tenant::{
    departments, doctor_schedules, doctors, nurse_schedules, nurses, patient_documents,
    patient_notes, patient_vitals, patients, staff_attendance, staff_members, staff_schedules,
};
use diesel_tenants::models::tenant::doctors::{
    Doctor, DoctorSchedule, NewDoctor, NewDoctorSchedule,
};
use diesel_tenants::models::tenant::nurses::{NewNurse, NewNurseSchedule, Nurse, NurseSchedule};
use diesel_tenants::models::tenant::patients::{
    NewPatient, NewPatientDocument, NewPatientNote, NewPatientVitals, Patient, PatientDocument,
    PatientNote, PatientVitals, Sex,
};
use diesel_tenants::models::tenant::staff::{
    AttendanceState, Department, Employment, NewDepartment, NewStaffAttendance, NewStaffMember,
    NewStaffSchedule, Shift, StaffAttendance, StaffKind, StaffMember, StaffSchedule,
};
use diesel_tenants::money::Money;

use super::round_trip;
use super::values::{at, clock, day, elsewhere};

/// What the rows of the other modules refer to.
pub(super) struct People {
    pub(super) department: Department,
    pub(super) doctor: Doctor,
    pub(super) patient: Patient,
    pub(super) staff_member: StaffMember,
}

pub(super) fn people(conn: &mut Conn) -> People {
    let department = round_trip!(
        conn,
        departments,
        Department,
        NewDepartment {
            id: Id::new(),
            name: "name",
            description: Some("description"),
            head: Some(elsewhere()),
            created_at: at(1)
        }
    );
    let staff_member = round_trip!(
        conn,
        staff_members,
        StaffMember,
        NewStaffMember {
            id: Id::new(),
            number: "number",
            user_id: Some(elsewhere()),
            department_id: Some(department.id),
            kind: StaffKind::Technician,
            given_name: "given name",
            family_name: "family name",
            birth_date: Some(day(1)),
            phone: Some("phone"),
            email: Some("email"),
            address: Some("address"),
            emergency_contact_name: Some("emergency contact name"),
            emergency_contact_phone: Some("emergency contact phone"),
            position: Some("position"),
            qualifications: Some("qualifications"),
            employment: Employment::PartTime,
            shift: Shift::Night,
            salary: Some(Money(105)),
            hired_on: day(2),
            contract_ends_on: Some(day(3)),
            created_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        staff_schedules,
        StaffSchedule,
        NewStaffSchedule {
            id: Id::new(),
            staff_member_id: staff_member.id,
            weekday: 7,
            starts_at: clock(8),
            ends_at: clock(9)
        }
    );
    round_trip!(
        conn,
        staff_attendance,
        StaffAttendance,
        NewStaffAttendance {
            id: Id::new(),
            staff_member_id: staff_member.id,
            day: day(1),
            state: AttendanceState::HalfDay,
            came_at: Some(clock(8)),
            left_at: Some(clock(9)),
            notes: Some("notes"),
            marked_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
    let doctor = round_trip!(
        conn,
        doctors,
        Doctor,
        NewDoctor {
            id: Id::new(),
            staff_member_id: staff_member.id,
            number: "number",
            specialization: "specialization",
            license_number: "license number",
            qualification: Some("qualification"),
            consultation_fee: Money(105),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        doctor_schedules,
        DoctorSchedule,
        NewDoctorSchedule {
            id: Id::new(),
            doctor_id: doctor.id,
            weekday: 7,
            starts_at: clock(8),
            ends_at: clock(9)
        }
    );
    let nurse = round_trip!(
        conn,
        nurses,
        Nurse,
        NewNurse {
            id: Id::new(),
            staff_member_id: staff_member.id,
            number: "number",
            license_number: Some("license number"),
            grade: Some("grade"),
            specialty: Some("specialty"),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        nurse_schedules,
        NurseSchedule,
        NewNurseSchedule {
            id: Id::new(),
            nurse_id: nurse.id,
            day: day(1),
            starts_at: clock(8),
            ends_at: clock(9),
            notes: Some("notes"),
            created_at: at(1)
        }
    );
    let patient = round_trip!(
        conn,
        patients,
        Patient,
        NewPatient {
            id: Id::new(),
            number: "number",
            given_name: "given name",
            middle_name: Some("middle name"),
            family_name: "family name",
            birth_date: day(1),
            sex: Sex::Female,
            blood_group: Some("blood group"),
            phone: Some("phone"),
            alternate_phone: Some("alternate phone"),
            email: Some("email"),
            address: Some("address"),
            city: Some("city"),
            region: Some("region"),
            postal_code: Some("postal code"),
            country: Some("country"),
            emergency_contact_name: Some("emergency contact name"),
            emergency_contact_relation: Some("emergency contact relation"),
            emergency_contact_phone: Some("emergency contact phone"),
            allergies: Some("allergies"),
            chronic_conditions: Some("chronic conditions"),
            current_medications: Some("current medications"),
            medical_history: Some("medical history"),
            family_history: Some("family history"),
            insurance_provider: Some("insurance provider"),
            insurance_policy_number: Some("insurance policy number"),
            user_id: Some(elsewhere()),
            registered_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        patient_notes,
        PatientNote,
        NewPatientNote {
            id: Id::new(),
            patient_id: patient.id,
            note: "note",
            confidential: true,
            created_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        patient_documents,
        PatientDocument,
        NewPatientDocument {
            id: Id::new(),
            patient_id: patient.id,
            kind: "kind",
            title: "title",
            description: Some("description"),
            storage_key: "storage key",
            content_sha256: "content sha256",
            confidential: true,
            uploaded_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        patient_vitals,
        PatientVitals,
        NewPatientVitals {
            id: Id::new(),
            patient_id: patient.id,
            temperature: Some(36.6),
            systolic: Some(2),
            diastolic: Some(3),
            heart_rate: Some(4),
            respiratory_rate: Some(5),
            oxygen_saturation: Some(97),
            weight: Some(71.25),
            height: Some(168.5),
            notes: Some("notes"),
            recorded_by: Some(elsewhere()),
            recorded_at: at(1)
        }
    );

    People {
        department,
        doctor,
        patient,
        staff_member,
    }
}
