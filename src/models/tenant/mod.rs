//! Rows of a hospital's database, by module.

pub mod analytics;
pub mod appointments;
pub mod billing;
pub mod contact;
pub mod core;
pub mod dashboard;
pub mod doctors;
pub mod emergency;
pub mod feedback;
pub mod hr;
pub mod inventory;
pub mod ipd;
pub mod laboratory;
pub mod notifications;
pub mod nurses;
pub mod opd;
pub mod patients;
pub mod pharmacy;
pub mod radiology;
pub mod rooms;
pub mod staff;
pub mod surgery;
pub mod telemedicine;
