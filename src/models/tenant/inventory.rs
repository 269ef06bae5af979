//! Supplies other than medicines.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::staff::Department;
use crate::id::{Id, SharedRef};
use crate::models::macros::text_enum;
use crate::models::schema::tenant::{inventory_items, inventory_transactions, suppliers};
use crate::models::shared::accounts::User;
use crate::money::Money;

text_enum! {
    /// Why a stock changed.
    pub enum InventoryTransactionKind: "kind of inventory transaction" {
        /// Delivered.
        Receipt = "receipt",
        /// Given to a department.
        Issue = "issue",
        /// Brought back.
        Return = "return",
        /// Counted anew.
        Adjustment = "adjustment",
        /// Thrown away.
        WriteOff = "write_off",
    }
}

/// Who sells supplies to us.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = suppliers)]
pub struct Supplier {
    /// Primary key.
    pub id: Id<Supplier>,
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
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`Supplier`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = suppliers, treat_none_as_default_value = false)]
pub struct NewSupplier<'a> {
    /// Primary key.
    pub id: Id<Supplier>,
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
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Supplier`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = suppliers)]
pub struct SupplierChanges<'a> {
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

/// Something kept in store.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = inventory_items, belongs_to(Supplier))]
pub struct InventoryItem {
    /// Primary key.
    pub id: Id<InventoryItem>,
    /// Short name.
    pub code: String,
    /// The name.
    pub name: String,
    /// What it is listed under.
    pub category: String,
    /// What one is, as in `box`.
    pub unit: String,
    /// Where it is bought.
    pub supplier_id: Option<Id<Supplier>>,
    /// How many there are.
    pub on_hand: i32,
    /// Order more at this number.
    pub reorder_level: i32,
    /// What one costs.
    pub unit_cost: Money,
    /// Whether it is in use.
    pub active: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`InventoryItem`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = inventory_items, treat_none_as_default_value = false)]
pub struct NewInventoryItem<'a> {
    /// Primary key.
    pub id: Id<InventoryItem>,
    /// Short name.
    pub code: &'a str,
    /// The name.
    pub name: &'a str,
    /// What it is listed under.
    pub category: &'a str,
    /// What one is, as in `box`.
    pub unit: &'a str,
    /// Where it is bought.
    pub supplier_id: Option<Id<Supplier>>,
    /// Order more at this number.
    pub reorder_level: i32,
    /// What one costs.
    pub unit_cost: Money,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to an [`InventoryItem`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = inventory_items)]
pub struct InventoryItemChanges<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// What it is listed under.
    pub category: Option<&'a str>,
    /// What one is, as in `box`.
    pub unit: Option<&'a str>,
    /// Where it is bought.
    pub supplier_id: Option<Option<Id<Supplier>>>,
    /// How many there are.
    pub on_hand: Option<i32>,
    /// Order more at this number.
    pub reorder_level: Option<i32>,
    /// What one costs.
    pub unit_cost: Option<Money>,
    /// Whether it is in use.
    pub active: Option<bool>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A change of what is in store.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = inventory_transactions, belongs_to(InventoryItem), belongs_to(Department))]
pub struct InventoryTransaction {
    /// Primary key.
    pub id: Id<InventoryTransaction>,
    /// Of what.
    pub inventory_item_id: Id<InventoryItem>,
    /// For whom.
    pub department_id: Option<Id<Department>>,
    /// Why.
    pub kind: InventoryTransactionKind,
    /// In, or out when negative.
    pub quantity: i32,
    /// What one cost.
    pub unit_cost: Money,
    /// Number of the delivery.
    pub reference: Option<String>,
    /// Remarks.
    pub notes: Option<String>,
    /// Who did it.
    pub performed_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`InventoryTransaction`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = inventory_transactions, treat_none_as_default_value = false)]
pub struct NewInventoryTransaction<'a> {
    /// Primary key.
    pub id: Id<InventoryTransaction>,
    /// Of what.
    pub inventory_item_id: Id<InventoryItem>,
    /// For whom.
    pub department_id: Option<Id<Department>>,
    /// Why.
    pub kind: InventoryTransactionKind,
    /// In, or out when negative.
    pub quantity: i32,
    /// What one cost.
    pub unit_cost: Money,
    /// Number of the delivery.
    pub reference: Option<&'a str>,
    /// Remarks.
    pub notes: Option<&'a str>,
    /// Who did it.
    pub performed_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}
