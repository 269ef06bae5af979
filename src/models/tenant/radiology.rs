//! Imaging: kinds of studies, orders and reports.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::appointments::{Appointment, Priority};
use super::doctors::Doctor;
use super::patients::Patient;
use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{radiology_orders, radiology_studies, study_types};
use crate::models::shared::accounts::User;
use crate::money::Money;

text_enum! {
    /// How a picture is made.
    pub enum Modality: "modality" {
        /// X-ray.
        XRay = "x_ray",
        /// Computed tomography.
        Ct = "ct",
        /// Magnetic resonance.
        Mri = "mri",
        /// Ultrasound.
        Ultrasound = "ultrasound",
        /// Mammography.
        Mammography = "mammography",
        /// Fluoroscopy.
        Fluoroscopy = "fluoroscopy",
        /// Nuclear medicine.
        Nuclear = "nuclear",
    }
}

text_enum! {
    /// Where an imaging order stands.
    pub enum RadiologyOrderState: "radiology order state" {
        /// Asked for.
        Ordered = "ordered",
        /// Has a time.
        Scheduled = "scheduled",
        /// The patient is here.
        InProgress = "in_progress",
        /// The pictures are made.
        Completed = "completed",
        /// The report is written.
        Reported = "reported",
        /// Called off.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Where a report stands.
    pub enum StudyState: "study state" {
        /// No report yet.
        Acquired = "acquired",
        /// A first reading.
        Preliminary = "preliminary",
        /// Signed.
        Final = "final",
        /// Signed, and changed since.
        Amended = "amended",
    }
}

/// A kind of imaging study.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = study_types)]
pub struct StudyType {
    /// Primary key.
    pub id: Id<StudyType>,
    /// Short name, as in `RAD-00001`.
    pub code: String,
    /// The name.
    pub name: String,
    /// How it is done.
    pub modality: Modality,
    /// Of what.
    pub body_part: Option<String>,
    /// Whether contrast agent is given.
    pub contrast: bool,
    /// The price.
    pub price: Money,
    /// Usual length.
    pub duration_minutes: i32,
    /// Whether it can be ordered.
    pub active: bool,
}

/// A new [`StudyType`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = study_types, treat_none_as_default_value = false)]
pub struct NewStudyType<'a> {
    /// Primary key.
    pub id: Id<StudyType>,
    /// Short name, as in `RAD-00001`.
    pub code: &'a str,
    /// The name.
    pub name: &'a str,
    /// How it is done.
    pub modality: Modality,
    /// Of what.
    pub body_part: Option<&'a str>,
    /// Whether contrast agent is given.
    pub contrast: bool,
    /// The price.
    pub price: Money,
    /// Usual length.
    pub duration_minutes: i32,
}

/// Changes to a [`StudyType`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = study_types)]
pub struct StudyTypeChanges<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// How it is done.
    pub modality: Option<Modality>,
    /// Of what.
    pub body_part: Option<Option<&'a str>>,
    /// Whether contrast agent is given.
    pub contrast: Option<bool>,
    /// The price.
    pub price: Option<Money>,
    /// Usual length.
    pub duration_minutes: Option<i32>,
    /// Whether it can be ordered.
    pub active: Option<bool>,
}

/// A study a doctor wants of a patient.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = radiology_orders, belongs_to(Patient), belongs_to(Doctor), belongs_to(StudyType), belongs_to(Appointment))]
pub struct RadiologyOrder {
    /// Primary key.
    pub id: Id<RadiologyOrder>,
    /// The order's number, as in `RAD-20260305-0001`.
    pub number: String,
    /// Of whom.
    pub patient_id: Id<Patient>,
    /// By whom.
    pub doctor_id: Id<Doctor>,
    /// What kind.
    pub study_type_id: Id<StudyType>,
    /// In which appointment.
    pub appointment_id: Option<Id<Appointment>>,
    /// How soon.
    pub priority: Priority,
    /// Where it stands.
    pub state: RadiologyOrderState,
    /// What the doctor suspects.
    pub indication: String,
    /// The price.
    pub price: Money,
    /// When (UTC).
    pub ordered_at: NaiveDateTime,
    /// The time of the study (UTC).
    pub scheduled_for: Option<NaiveDateTime>,
    /// When the pictures were made (UTC).
    pub completed_at: Option<NaiveDateTime>,
    /// Who makes the pictures.
    pub technologist: Option<SharedRef<User>>,
    /// Who reads them.
    pub radiologist: Option<SharedRef<User>>,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`RadiologyOrder`].
#[derive(Clone, Insertable)]
#[diesel(table_name = radiology_orders, treat_none_as_default_value = false)]
pub struct NewRadiologyOrder<'a> {
    /// Primary key.
    pub id: Id<RadiologyOrder>,
    /// The order's number, as in `RAD-20260305-0001`.
    pub number: &'a str,
    /// Of whom.
    pub patient_id: Id<Patient>,
    /// By whom.
    pub doctor_id: Id<Doctor>,
    /// What kind.
    pub study_type_id: Id<StudyType>,
    /// In which appointment.
    pub appointment_id: Option<Id<Appointment>>,
    /// How soon.
    pub priority: Priority,
    /// What the doctor suspects.
    pub indication: &'a str,
    /// The price.
    pub price: Money,
    /// When (UTC).
    pub ordered_at: NaiveDateTime,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`RadiologyOrder`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = radiology_orders)]
pub struct RadiologyOrderChanges<'a> {
    /// What kind.
    pub study_type_id: Option<Id<StudyType>>,
    /// How soon.
    pub priority: Option<Priority>,
    /// Where it stands.
    pub state: Option<RadiologyOrderState>,
    /// What the doctor suspects.
    pub indication: Option<&'a str>,
    /// The price.
    pub price: Option<Money>,
    /// The time of the study (UTC).
    pub scheduled_for: Option<Option<NaiveDateTime>>,
    /// When the pictures were made (UTC).
    pub completed_at: Option<NaiveDateTime>,
    /// Who makes the pictures.
    pub technologist: Option<Option<SharedRef<User>>>,
    /// Who reads them.
    pub radiologist: Option<Option<SharedRef<User>>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    RadiologyOrder { id }
    NewRadiologyOrder<'_> { id }
    RadiologyOrderChanges<'_> {}
}

/// The pictures of an order, and what they show.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = radiology_studies, belongs_to(RadiologyOrder))]
pub struct RadiologyStudy {
    /// Primary key.
    pub id: Id<RadiologyStudy>,
    /// The order.
    pub radiology_order_id: Id<RadiologyOrder>,
    /// The DICOM study instance UID.
    pub study_uid: String,
    /// When the pictures were made (UTC).
    pub performed_at: NaiveDateTime,
    /// Number of pictures.
    pub image_count: i32,
    /// What is seen.
    pub findings: Option<String>,
    /// What it means.
    pub impression: Option<String>,
    /// Whether somebody has to know at once.
    pub critical: bool,
    /// Where the report stands.
    pub state: StudyState,
    /// Who wrote it.
    pub reported_by: Option<SharedRef<User>>,
    /// When it was written (UTC).
    pub reported_at: Option<NaiveDateTime>,
    /// Who signed it.
    pub reviewed_by: Option<SharedRef<User>>,
    /// When it was signed (UTC).
    pub reviewed_at: Option<NaiveDateTime>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`RadiologyStudy`].
#[derive(Clone, Insertable)]
#[diesel(table_name = radiology_studies, treat_none_as_default_value = false)]
pub struct NewRadiologyStudy<'a> {
    /// Primary key.
    pub id: Id<RadiologyStudy>,
    /// The order.
    pub radiology_order_id: Id<RadiologyOrder>,
    /// The DICOM study instance UID.
    pub study_uid: &'a str,
    /// When the pictures were made (UTC).
    pub performed_at: NaiveDateTime,
    /// Number of pictures.
    pub image_count: i32,
    /// What is seen.
    pub findings: Option<&'a str>,
    /// What it means.
    pub impression: Option<&'a str>,
    /// Whether somebody has to know at once.
    pub critical: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`RadiologyStudy`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = radiology_studies)]
pub struct RadiologyStudyChanges<'a> {
    /// Number of pictures.
    pub image_count: Option<i32>,
    /// What is seen.
    pub findings: Option<Option<&'a str>>,
    /// What it means.
    pub impression: Option<Option<&'a str>>,
    /// Whether somebody has to know at once.
    pub critical: Option<bool>,
    /// Where the report stands.
    pub state: Option<StudyState>,
    /// Who wrote it.
    pub reported_by: Option<SharedRef<User>>,
    /// When it was written (UTC).
    pub reported_at: Option<NaiveDateTime>,
    /// Who signed it.
    pub reviewed_by: Option<SharedRef<User>>,
    /// When it was signed (UTC).
    pub reviewed_at: Option<NaiveDateTime>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    RadiologyStudy { id }
    NewRadiologyStudy<'_> { id }
    RadiologyStudyChanges<'_> {}
}
