//! Rooms and beds.

use diesel::prelude::*;

use super::staff::Department;
use crate::id::Id;
use crate::models::macros::text_enum;
use crate::models::schema::tenant::{beds, rooms};
use crate::money::Money;

text_enum! {
    /// What a room is for.
    pub enum RoomKind: "kind of room" {
        /// Many beds.
        General = "general",
        /// Two beds.
        SemiPrivate = "semi_private",
        /// One bed.
        Private = "private",
        /// Intensive care.
        IntensiveCare = "intensive_care",
        /// Mothers and newborns.
        Maternity = "maternity",
        /// Infectious patients.
        Isolation = "isolation",
    }
}

/// A room with beds.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = rooms, belongs_to(Department))]
pub struct Room {
    /// Primary key.
    pub id: Id<Room>,
    /// The number on the door.
    pub number: String,
    /// 0 is the ground floor.
    pub floor: i32,
    /// What it is for.
    pub kind: RoomKind,
    /// Whose it is.
    pub department_id: Option<Id<Department>>,
    /// Price of a day.
    pub daily_rate: Money,
    /// Whether it is in use.
    pub active: bool,
}

/// A new [`Room`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = rooms, treat_none_as_default_value = false)]
pub struct NewRoom<'a> {
    /// Primary key.
    pub id: Id<Room>,
    /// The number on the door.
    pub number: &'a str,
    /// 0 is the ground floor.
    pub floor: i32,
    /// What it is for.
    pub kind: RoomKind,
    /// Whose it is.
    pub department_id: Option<Id<Department>>,
    /// Price of a day.
    pub daily_rate: Money,
}

/// Changes to a [`Room`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = rooms)]
pub struct RoomChanges {
    /// 0 is the ground floor.
    pub floor: Option<i32>,
    /// What it is for.
    pub kind: Option<RoomKind>,
    /// Whose it is.
    pub department_id: Option<Option<Id<Department>>>,
    /// Price of a day.
    pub daily_rate: Option<Money>,
    /// Whether it is in use.
    pub active: Option<bool>,
}

/// A bed; the admissions tell whether it is free.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = beds, belongs_to(Room))]
pub struct Bed {
    /// Primary key.
    pub id: Id<Bed>,
    /// Where it stands.
    pub room_id: Id<Room>,
    /// The number in the room.
    pub number: String,
    /// Whether it can be used.
    pub in_service: bool,
}

/// A new [`Bed`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = beds, treat_none_as_default_value = false)]
pub struct NewBed<'a> {
    /// Primary key.
    pub id: Id<Bed>,
    /// Where it stands.
    pub room_id: Id<Room>,
    /// The number in the room.
    pub number: &'a str,
}

/// Changes to a [`Bed`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = beds)]
pub struct BedChanges<'a> {
    /// Where it stands.
    pub room_id: Option<Id<Room>>,
    /// The number in the room.
    pub number: Option<&'a str>,
    /// Whether it can be used.
    pub in_service: Option<bool>,
}
