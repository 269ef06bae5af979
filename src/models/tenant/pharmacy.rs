//! Medicines, their stock, sales over the counter and prescriptions.

use chrono::{NaiveDate, NaiveDateTime};
use diesel::prelude::*;

use super::appointments::Appointment;
use super::billing::PaymentMethod;
use super::doctors::Doctor;
use super::patients::Patient;
use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{
    drug_categories, manufacturers, medicines, pharmacy_sale_items, pharmacy_sales,
    prescription_items, prescriptions, stock_movements,
};
use crate::models::shared::accounts::{Hospital, User};
use crate::money::Money;

text_enum! {
    /// Why a stock changed.
    pub enum StockMovementKind: "kind of stock movement" {
        /// Bought.
        Purchase = "purchase",
        /// Sold.
        Sale = "sale",
        /// Brought back.
        Return = "return",
        /// Counted anew.
        Adjustment = "adjustment",
        /// Thrown away, too old.
        Expired = "expired",
        /// Thrown away, broken.
        Damaged = "damaged",
    }
}

text_enum! {
    /// Where a prescription stands.
    pub enum PrescriptionState: "prescription state" {
        /// Nothing handed out.
        Pending = "pending",
        /// A part handed out.
        PartiallyDispensed = "partially_dispensed",
        /// All handed out.
        Dispensed = "dispensed",
        /// Void.
        Cancelled = "cancelled",
    }
}

/// A group of medicines.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = drug_categories)]
pub struct DrugCategory {
    /// Primary key.
    pub id: Id<DrugCategory>,
    /// The name.
    pub name: String,
    /// What is in it.
    pub description: Option<String>,
    /// Whether it is in use.
    pub active: bool,
}

/// A new [`DrugCategory`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = drug_categories, treat_none_as_default_value = false)]
pub struct NewDrugCategory<'a> {
    /// Primary key.
    pub id: Id<DrugCategory>,
    /// The name.
    pub name: &'a str,
    /// What is in it.
    pub description: Option<&'a str>,
}

/// Changes to a [`DrugCategory`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = drug_categories)]
pub struct DrugCategoryChanges<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// What is in it.
    pub description: Option<Option<&'a str>>,
    /// Whether it is in use.
    pub active: Option<bool>,
}

/// Who makes medicines.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = manufacturers)]
pub struct Manufacturer {
    /// Primary key.
    pub id: Id<Manufacturer>,
    /// Short name.
    pub code: String,
    /// The name.
    pub name: String,
    /// Whom to call.
    pub contact_person: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Whether one can order there.
    pub active: bool,
}

/// A new [`Manufacturer`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = manufacturers, treat_none_as_default_value = false)]
pub struct NewManufacturer<'a> {
    /// Primary key.
    pub id: Id<Manufacturer>,
    /// Short name.
    pub code: &'a str,
    /// The name.
    pub name: &'a str,
    /// Whom to call.
    pub contact_person: Option<&'a str>,
    /// Telephone.
    pub phone: Option<&'a str>,
    /// E-mail.
    pub email: Option<&'a str>,
    /// Address.
    pub address: Option<&'a str>,
}

/// Changes to a [`Manufacturer`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = manufacturers)]
pub struct ManufacturerChanges<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// Whom to call.
    pub contact_person: Option<Option<&'a str>>,
    /// Telephone.
    pub phone: Option<Option<&'a str>>,
    /// E-mail.
    pub email: Option<Option<&'a str>>,
    /// Address.
    pub address: Option<Option<&'a str>>,
    /// Whether one can order there.
    pub active: Option<bool>,
}

/// A medicine the pharmacy keeps.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = medicines, belongs_to(DrugCategory), belongs_to(Manufacturer))]
pub struct Medicine {
    /// Primary key.
    pub id: Id<Medicine>,
    /// Short name, as in `MED-000001`.
    pub code: String,
    /// The name on the box.
    pub name: String,
    /// The substance.
    pub generic_name: String,
    /// Its group.
    pub drug_category_id: Id<DrugCategory>,
    /// Who makes it.
    pub manufacturer_id: Id<Manufacturer>,
    /// What it looks like, as in `tablet`.
    pub form: String,
    /// How strong it is, as in `500 mg`.
    pub strength: Option<String>,
    /// How it is packed, as in `3 x 10`.
    pub pack_size: Option<String>,
    /// Pieces in stock.
    pub on_hand: i32,
    /// Order more at this number of pieces.
    pub reorder_level: i32,
    /// What one costs us.
    pub cost_price: Money,
    /// What one costs the patient.
    pub selling_price: Money,
    /// The batch in stock.
    pub batch_number: Option<String>,
    /// Last day of the batch.
    pub expires_on: Option<NaiveDate>,
    /// Whether it needs a prescription.
    pub prescription_only: bool,
    /// Whether it is sold.
    pub active: bool,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Medicine`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = medicines, treat_none_as_default_value = false)]
pub struct NewMedicine<'a> {
    /// Primary key.
    pub id: Id<Medicine>,
    /// Short name, as in `MED-000001`.
    pub code: &'a str,
    /// The name on the box.
    pub name: &'a str,
    /// The substance.
    pub generic_name: &'a str,
    /// Its group.
    pub drug_category_id: Id<DrugCategory>,
    /// Who makes it.
    pub manufacturer_id: Id<Manufacturer>,
    /// What it looks like, as in `tablet`.
    pub form: &'a str,
    /// How strong it is, as in `500 mg`.
    pub strength: Option<&'a str>,
    /// How it is packed, as in `3 x 10`.
    pub pack_size: Option<&'a str>,
    /// Order more at this number of pieces.
    pub reorder_level: i32,
    /// What one costs us.
    pub cost_price: Money,
    /// What one costs the patient.
    pub selling_price: Money,
    /// The batch in stock.
    pub batch_number: Option<&'a str>,
    /// Last day of the batch.
    pub expires_on: Option<NaiveDate>,
    /// Whether it needs a prescription.
    pub prescription_only: bool,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Medicine`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = medicines)]
pub struct MedicineChanges<'a> {
    /// The name on the box.
    pub name: Option<&'a str>,
    /// The substance.
    pub generic_name: Option<&'a str>,
    /// Its group.
    pub drug_category_id: Option<Id<DrugCategory>>,
    /// Who makes it.
    pub manufacturer_id: Option<Id<Manufacturer>>,
    /// What it looks like, as in `tablet`.
    pub form: Option<&'a str>,
    /// How strong it is, as in `500 mg`.
    pub strength: Option<Option<&'a str>>,
    /// How it is packed, as in `3 x 10`.
    pub pack_size: Option<Option<&'a str>>,
    /// Pieces in stock.
    pub on_hand: Option<i32>,
    /// Order more at this number of pieces.
    pub reorder_level: Option<i32>,
    /// What one costs us.
    pub cost_price: Option<Money>,
    /// What one costs the patient.
    pub selling_price: Option<Money>,
    /// The batch in stock.
    pub batch_number: Option<Option<&'a str>>,
    /// Last day of the batch.
    pub expires_on: Option<Option<NaiveDate>>,
    /// Whether it needs a prescription.
    pub prescription_only: Option<bool>,
    /// Whether it is sold.
    pub active: Option<bool>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A change of a medicine's stock.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = stock_movements, belongs_to(Medicine))]
pub struct StockMovement {
    /// Primary key.
    pub id: Id<StockMovement>,
    /// Which medicine.
    pub medicine_id: Id<Medicine>,
    /// Why.
    pub kind: StockMovementKind,
    /// Pieces in, or out when negative.
    pub quantity: i32,
    /// What one cost.
    pub unit_cost: Money,
    /// Number of the delivery or the sale.
    pub reference: Option<String>,
    /// Remarks.
    pub notes: Option<String>,
    /// Who wrote it down.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`StockMovement`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = stock_movements, treat_none_as_default_value = false)]
pub struct NewStockMovement<'a> {
    /// Primary key.
    pub id: Id<StockMovement>,
    /// Which medicine.
    pub medicine_id: Id<Medicine>,
    /// Why.
    pub kind: StockMovementKind,
    /// Pieces in, or out when negative.
    pub quantity: i32,
    /// What one cost.
    pub unit_cost: Money,
    /// Number of the delivery or the sale.
    pub reference: Option<&'a str>,
    /// Remarks.
    pub notes: Option<&'a str>,
    /// Who wrote it down.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A sale over the counter.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = pharmacy_sales, belongs_to(Patient))]
pub struct PharmacySale {
    /// Primary key.
    pub id: Id<PharmacySale>,
    /// The sale's number, as in `TH001-SALE-20260305-00001`.
    pub sale_number: String,
    /// When (UTC).
    pub sale_date: NaiveDateTime,
    /// Sum of the items.
    pub total_amount: Money,
    /// How it was paid.
    pub payment_method: PaymentMethod,
    /// The patient, if it was one of ours.
    pub patient_id: Option<Id<Patient>>,
    /// Who sold.
    pub sold_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// The hospital; `None` for a sale older than the column, which is this database's hospital too.
    pub hospital_id: Option<SharedRef<Hospital>>,
    /// Who bought; empty when nobody asked.
    pub customer_name: String,
    /// How to reach them; empty when nobody asked.
    pub customer_phone: String,
    /// Taken off the sum.
    pub discount_amount: Money,
    /// Tax on what is left.
    pub tax_amount: Money,
    /// What was paid.
    pub net_amount: Money,
    /// The bank's or the card's reference; empty for cash.
    pub payment_reference: String,
}

/// A new [`PharmacySale`].
#[derive(Clone, Insertable)]
#[diesel(table_name = pharmacy_sales, treat_none_as_default_value = false)]
pub struct NewPharmacySale<'a> {
    /// Primary key.
    pub id: Id<PharmacySale>,
    /// The sale's number, as in `TH001-SALE-20260305-00001`.
    pub sale_number: &'a str,
    /// When (UTC).
    pub sale_date: NaiveDateTime,
    /// Sum of the items.
    pub total_amount: Money,
    /// How it was paid.
    pub payment_method: PaymentMethod,
    /// The patient, if it was one of ours.
    pub patient_id: Option<Id<Patient>>,
    /// Who sold.
    pub sold_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// The hospital; `None` for a sale older than the column, which is this database's hospital too.
    pub hospital_id: Option<SharedRef<Hospital>>,
    /// Who bought; empty when nobody asked.
    pub customer_name: &'a str,
    /// How to reach them; empty when nobody asked.
    pub customer_phone: &'a str,
    /// Taken off the sum.
    pub discount_amount: Money,
    /// Tax on what is left.
    pub tax_amount: Money,
    /// What was paid.
    pub net_amount: Money,
    /// The bank's or the card's reference; empty for cash.
    pub payment_reference: &'a str,
}

/// Changes to a [`PharmacySale`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = pharmacy_sales)]
pub struct PharmacySaleChanges<'a> {
    /// How it was paid.
    pub payment_method: Option<PaymentMethod>,
    /// The patient, if it was one of ours.
    pub patient_id: Option<Option<Id<Patient>>>,
    /// The hospital; `None` for a sale older than the column, which is this database's hospital too.
    pub hospital_id: Option<Option<SharedRef<Hospital>>>,
    /// Who bought; empty when nobody asked.
    pub customer_name: Option<&'a str>,
    /// How to reach them; empty when nobody asked.
    pub customer_phone: Option<&'a str>,
    /// The bank's or the card's reference; empty for cash.
    pub payment_reference: Option<&'a str>,
}

redacted_debug! {
    PharmacySale { id }
    NewPharmacySale<'_> { id }
    PharmacySaleChanges<'_> {}
}

/// A line of a sale.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = pharmacy_sale_items, belongs_to(PharmacySale), belongs_to(Medicine))]
pub struct PharmacySaleItem {
    /// Primary key.
    pub id: Id<PharmacySaleItem>,
    /// The sale.
    pub pharmacy_sale_id: Id<PharmacySale>,
    /// What was sold.
    pub medicine_id: Id<Medicine>,
    /// How many.
    pub quantity: i32,
    /// Price of one.
    pub unit_price: Money,
    /// Price of all.
    pub total_amount: Money,
}

/// A new [`PharmacySaleItem`].
#[derive(Clone, Insertable)]
#[diesel(table_name = pharmacy_sale_items, treat_none_as_default_value = false)]
pub struct NewPharmacySaleItem {
    /// Primary key.
    pub id: Id<PharmacySaleItem>,
    /// The sale.
    pub pharmacy_sale_id: Id<PharmacySale>,
    /// What was sold.
    pub medicine_id: Id<Medicine>,
    /// How many.
    pub quantity: i32,
    /// Price of one.
    pub unit_price: Money,
    /// Price of all.
    pub total_amount: Money,
}

redacted_debug! {
    PharmacySaleItem { id }
    NewPharmacySaleItem { id }
}

/// What a doctor wants a patient to take.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = prescriptions, belongs_to(Patient), belongs_to(Doctor), belongs_to(Appointment))]
pub struct Prescription {
    /// Primary key.
    pub id: Id<Prescription>,
    /// The prescription's number, as in `TH001-RX-20260305-0001`.
    pub number: String,
    /// For whom.
    pub patient_id: Id<Patient>,
    /// By whom.
    pub doctor_id: Id<Doctor>,
    /// In which appointment.
    pub appointment_id: Option<Id<Appointment>>,
    /// Against what.
    pub diagnosis: Option<String>,
    /// Remarks for the pharmacy.
    pub notes: Option<String>,
    /// Where it stands.
    pub state: PrescriptionState,
    /// When (UTC).
    pub prescribed_at: NaiveDateTime,
    /// Who handed it out.
    pub dispensed_by: Option<SharedRef<User>>,
    /// When all was handed out (UTC).
    pub dispensed_at: Option<NaiveDateTime>,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Prescription`].
#[derive(Clone, Insertable)]
#[diesel(table_name = prescriptions, treat_none_as_default_value = false)]
pub struct NewPrescription<'a> {
    /// Primary key.
    pub id: Id<Prescription>,
    /// The prescription's number, as in `TH001-RX-20260305-0001`.
    pub number: &'a str,
    /// For whom.
    pub patient_id: Id<Patient>,
    /// By whom.
    pub doctor_id: Id<Doctor>,
    /// In which appointment.
    pub appointment_id: Option<Id<Appointment>>,
    /// Against what.
    pub diagnosis: Option<&'a str>,
    /// Remarks for the pharmacy.
    pub notes: Option<&'a str>,
    /// When (UTC).
    pub prescribed_at: NaiveDateTime,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Prescription`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = prescriptions)]
pub struct PrescriptionChanges<'a> {
    /// Against what.
    pub diagnosis: Option<Option<&'a str>>,
    /// Remarks for the pharmacy.
    pub notes: Option<Option<&'a str>>,
    /// Where it stands.
    pub state: Option<PrescriptionState>,
    /// Who handed it out.
    pub dispensed_by: Option<SharedRef<User>>,
    /// When all was handed out (UTC).
    pub dispensed_at: Option<NaiveDateTime>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Prescription { id }
    NewPrescription<'_> { id }
    PrescriptionChanges<'_> {}
}

/// A line of a prescription.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = prescription_items, belongs_to(Prescription), belongs_to(Medicine))]
pub struct PrescriptionItem {
    /// Primary key.
    pub id: Id<PrescriptionItem>,
    /// The prescription.
    pub prescription_id: Id<Prescription>,
    /// What to take.
    pub medicine_id: Id<Medicine>,
    /// How much, as in `1 tablet`.
    pub dosage: String,
    /// How often.
    pub frequency: String,
    /// For how long.
    pub duration: String,
    /// How, as in `after meals`.
    pub instructions: Option<String>,
    /// Pieces prescribed.
    pub quantity_prescribed: i32,
    /// Pieces handed out.
    pub quantity_dispensed: i32,
}

/// A new [`PrescriptionItem`].
#[derive(Clone, Insertable)]
#[diesel(table_name = prescription_items, treat_none_as_default_value = false)]
pub struct NewPrescriptionItem<'a> {
    /// Primary key.
    pub id: Id<PrescriptionItem>,
    /// The prescription.
    pub prescription_id: Id<Prescription>,
    /// What to take.
    pub medicine_id: Id<Medicine>,
    /// How much, as in `1 tablet`.
    pub dosage: &'a str,
    /// How often.
    pub frequency: &'a str,
    /// For how long.
    pub duration: &'a str,
    /// How, as in `after meals`.
    pub instructions: Option<&'a str>,
    /// Pieces prescribed.
    pub quantity_prescribed: i32,
}

/// Changes to a [`PrescriptionItem`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = prescription_items)]
pub struct PrescriptionItemChanges<'a> {
    /// How much, as in `1 tablet`.
    pub dosage: Option<&'a str>,
    /// How often.
    pub frequency: Option<&'a str>,
    /// For how long.
    pub duration: Option<&'a str>,
    /// How, as in `after meals`.
    pub instructions: Option<Option<&'a str>>,
    /// Pieces prescribed.
    pub quantity_prescribed: Option<i32>,
    /// Pieces handed out.
    pub quantity_dispensed: Option<i32>,
}

redacted_debug! {
    PrescriptionItem { id }
    NewPrescriptionItem<'_> { id }
    PrescriptionItemChanges<'_> {}
}
