//! Tables of the pharmacy and of the stores.

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A group of medicines.
    drug_categories (id) {
        id -> Id,
        name -> Text,
        description -> Nullable<Text>,
        active -> Bool,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Who makes medicines.
    manufacturers (id) {
        id -> Id,
        code -> Text,
        name -> Text,
        contact_person -> Nullable<Text>,
        phone -> Nullable<Text>,
        email -> Nullable<Text>,
        address -> Nullable<Text>,
        active -> Bool,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A medicine the pharmacy keeps.
    medicines (id) {
        id -> Id,
        code -> Text,
        name -> Text,
        generic_name -> Text,
        drug_category_id -> Id,
        manufacturer_id -> Id,
        form -> Text,
        strength -> Nullable<Text>,
        pack_size -> Nullable<Text>,
        on_hand -> Integer,
        reorder_level -> Integer,
        cost_price -> BigInt,
        selling_price -> BigInt,
        batch_number -> Nullable<Text>,
        expires_on -> Nullable<Date>,
        prescription_only -> Bool,
        active -> Bool,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A change of a medicine's stock.
    stock_movements (id) {
        id -> Id,
        medicine_id -> Id,
        kind -> Text,
        quantity -> Integer,
        unit_cost -> BigInt,
        reference -> Nullable<Text>,
        notes -> Nullable<Text>,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A sale over the counter.
    pharmacy_sales (id) {
        id -> Id,
        sale_number -> Text,
        sale_date -> Timestamp,
        total_amount -> BigInt,
        payment_method -> Text,
        patient_id -> Nullable<Id>,
        sold_by -> Nullable<Id>,
        created_at -> Timestamp,
        hospital_id -> Nullable<Id>,
        customer_name -> Text,
        customer_phone -> Text,
        discount_amount -> BigInt,
        tax_amount -> BigInt,
        net_amount -> BigInt,
        payment_reference -> Text,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A line of a sale.
    pharmacy_sale_items (id) {
        id -> Id,
        pharmacy_sale_id -> Id,
        medicine_id -> Id,
        quantity -> Integer,
        unit_price -> BigInt,
        total_amount -> BigInt,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// What a doctor wants a patient to take.
    prescriptions (id) {
        id -> Id,
        number -> Text,
        patient_id -> Id,
        doctor_id -> Id,
        appointment_id -> Nullable<Id>,
        diagnosis -> Nullable<Text>,
        notes -> Nullable<Text>,
        state -> Text,
        prescribed_at -> Timestamp,
        dispensed_by -> Nullable<Id>,
        dispensed_at -> Nullable<Timestamp>,
        created_by -> Nullable<Id>,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A line of a prescription.
    prescription_items (id) {
        id -> Id,
        prescription_id -> Id,
        medicine_id -> Id,
        dosage -> Text,
        frequency -> Text,
        duration -> Text,
        instructions -> Nullable<Text>,
        quantity_prescribed -> Integer,
        quantity_dispensed -> Integer,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Who sells supplies to us.
    suppliers (id) {
        id -> Id,
        code -> Text,
        name -> Text,
        contact_person -> Nullable<Text>,
        phone -> Nullable<Text>,
        email -> Nullable<Text>,
        address -> Nullable<Text>,
        active -> Bool,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// Something kept in store.
    inventory_items (id) {
        id -> Id,
        code -> Text,
        name -> Text,
        category -> Text,
        unit -> Text,
        supplier_id -> Nullable<Id>,
        on_hand -> Integer,
        reorder_level -> Integer,
        unit_cost -> BigInt,
        active -> Bool,
        created_at -> Timestamp,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use crate::id::sql_types::Id;
    use diesel::sql_types::*;

    /// A change of what is in store.
    inventory_transactions (id) {
        id -> Id,
        inventory_item_id -> Id,
        department_id -> Nullable<Id>,
        kind -> Text,
        quantity -> Integer,
        unit_cost -> BigInt,
        reference -> Nullable<Text>,
        notes -> Nullable<Text>,
        performed_by -> Nullable<Id>,
        created_at -> Timestamp,
    }
}
