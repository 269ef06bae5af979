//! One row in every table of laboratory, imaging, pharmacy, stores and billing.

use super::dsl::*;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::tenant::{
    drug_categories, insurance_claims, inventory_items, inventory_transactions, invoice_items,
    invoices, lab_order_items, lab_orders, lab_results, lab_sections, lab_tests, manufacturers,
    medicines, payments, pharmacy_sale_items, pharmacy_sales, prescription_items, prescriptions,
    radiology_orders, radiology_studies, services, stock_movements, study_types, suppliers,
};
use diesel_tenants::models::tenant::appointments::{Appointment, Priority};
use diesel_tenants::models::tenant::billing::{
    InsuranceClaim, Invoice, InvoiceItem, NewInsuranceClaim, NewInvoice, NewInvoiceItem,
    NewPayment, NewService, Payment, PaymentMethod, PaymentState, Service,
};
use diesel_tenants::models::tenant::inventory::{
    InventoryItem, InventoryTransaction, InventoryTransactionKind, NewInventoryItem,
    NewInventoryTransaction, NewSupplier, Supplier,
};
use diesel_tenants::models::tenant::laboratory::{
    LabOrder, LabOrderItem, LabResult, LabSection, LabTest, NewLabOrder, NewLabOrderItem,
    NewLabResult, NewLabSection, NewLabTest,
};
use diesel_tenants::models::tenant::pharmacy::{
    DrugCategory, Manufacturer, Medicine, NewDrugCategory, NewManufacturer, NewMedicine,
    NewPharmacySale, NewPharmacySaleItem, NewPrescription, NewPrescriptionItem, NewStockMovement,
    PharmacySale, PharmacySaleItem, Prescription, PrescriptionItem, StockMovement,
    StockMovementKind,
};
use diesel_tenants::models::tenant::radiology::{
    Modality, NewRadiologyOrder, NewRadiologyStudy, NewStudyType, RadiologyOrder, RadiologyStudy,
    StudyType,
};
use diesel_tenants::money::Money;

use super::people_rows::People;
use super::round_trip;
use super::values::{at, day, elsewhere};

pub(super) fn diagnostics(conn: &mut Conn, people: &People, appointment: &Appointment) {
    let People {
        doctor, patient, ..
    } = people;
    let lab_section = round_trip!(
        conn,
        lab_sections,
        LabSection,
        NewLabSection {
            id: Id::new(),
            code: "code",
            name: "name",
            description: Some("description"),
            head: Some(elsewhere())
        }
    );
    let lab_test = round_trip!(
        conn,
        lab_tests,
        LabTest,
        NewLabTest {
            id: Id::new(),
            code: "code",
            name: "name",
            lab_section_id: lab_section.id,
            sample_type: "sample type",
            unit: Some("unit"),
            reference_range: Some("reference range"),
            price: Money(105),
            turnaround_hours: 2,
            fasting: true,
            created_at: at(1)
        }
    );
    let lab_order = round_trip!(
        conn,
        lab_orders,
        LabOrder,
        NewLabOrder {
            id: Id::new(),
            number: "number",
            patient_id: patient.id,
            doctor_id: doctor.id,
            appointment_id: Some(appointment.id),
            priority: Priority::Urgent,
            clinical_notes: Some("clinical notes"),
            total_amount: Money(105),
            ordered_at: at(1),
            created_by: Some(elsewhere()),
            created_at: at(2)
        }
    );
    let lab_order_item = round_trip!(
        conn,
        lab_order_items,
        LabOrderItem,
        NewLabOrderItem {
            id: Id::new(),
            lab_order_id: lab_order.id,
            lab_test_id: lab_test.id,
            price: Money(105)
        }
    );
    round_trip!(
        conn,
        lab_results,
        LabResult,
        NewLabResult {
            id: Id::new(),
            lab_order_item_id: lab_order_item.id,
            value: "value",
            unit: Some("unit"),
            reference_range: Some("reference range"),
            abnormal: true,
            comments: Some("comments"),
            performed_by: Some(elsewhere()),
            performed_at: at(1)
        }
    );
    let study_type = round_trip!(
        conn,
        study_types,
        StudyType,
        NewStudyType {
            id: Id::new(),
            code: "code",
            name: "name",
            modality: Modality::Ultrasound,
            body_part: Some("body part"),
            contrast: true,
            price: Money(105),
            duration_minutes: 2
        }
    );
    let radiology_order = round_trip!(
        conn,
        radiology_orders,
        RadiologyOrder,
        NewRadiologyOrder {
            id: Id::new(),
            number: "number",
            patient_id: patient.id,
            doctor_id: doctor.id,
            study_type_id: study_type.id,
            appointment_id: Some(appointment.id),
            priority: Priority::Urgent,
            indication: "indication",
            price: Money(105),
            ordered_at: at(1),
            created_by: Some(elsewhere()),
            created_at: at(2)
        }
    );
    round_trip!(
        conn,
        radiology_studies,
        RadiologyStudy,
        NewRadiologyStudy {
            id: Id::new(),
            radiology_order_id: radiology_order.id,
            study_uid: "study uid",
            performed_at: at(1),
            image_count: 2,
            findings: Some("findings"),
            impression: Some("impression"),
            critical: true,
            created_at: at(2)
        }
    );
}

pub(super) fn goods(conn: &mut Conn, people: &People, appointment: &Appointment) {
    let People {
        department,
        doctor,
        patient,
        ..
    } = people;
    let drug_category = round_trip!(
        conn,
        drug_categories,
        DrugCategory,
        NewDrugCategory {
            id: Id::new(),
            name: "name",
            description: Some("description")
        }
    );
    let manufacturer = round_trip!(
        conn,
        manufacturers,
        Manufacturer,
        NewManufacturer {
            id: Id::new(),
            code: "code",
            name: "name",
            contact_person: Some("contact person"),
            phone: Some("phone"),
            email: Some("email"),
            address: Some("address")
        }
    );
    let medicine = round_trip!(
        conn,
        medicines,
        Medicine,
        NewMedicine {
            id: Id::new(),
            code: "code",
            name: "name",
            generic_name: "generic name",
            drug_category_id: drug_category.id,
            manufacturer_id: manufacturer.id,
            form: "form",
            strength: Some("strength"),
            pack_size: Some("pack size"),
            reorder_level: 2,
            cost_price: Money(105),
            selling_price: Money(205),
            batch_number: Some("batch number"),
            expires_on: Some(day(1)),
            prescription_only: true,
            created_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        stock_movements,
        StockMovement,
        NewStockMovement {
            id: Id::new(),
            medicine_id: medicine.id,
            kind: StockMovementKind::Damaged,
            quantity: 2,
            unit_cost: Money(105),
            reference: Some("reference"),
            notes: Some("notes"),
            created_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
    let pharmacy_sale = round_trip!(
        conn,
        pharmacy_sales,
        PharmacySale,
        NewPharmacySale {
            id: Id::new(),
            sale_number: "sale number",
            sale_date: at(1),
            total_amount: Money(105),
            payment_method: PaymentMethod::Mobile,
            patient_id: Some(patient.id),
            sold_by: Some(elsewhere()),
            created_at: at(2),
            hospital_id: Some(elsewhere()),
            customer_name: "customer name",
            customer_phone: "customer phone",
            discount_amount: Money(205),
            tax_amount: Money(305),
            net_amount: Money(405),
            payment_reference: "payment reference"
        }
    );
    round_trip!(
        conn,
        pharmacy_sale_items,
        PharmacySaleItem,
        NewPharmacySaleItem {
            id: Id::new(),
            pharmacy_sale_id: pharmacy_sale.id,
            medicine_id: medicine.id,
            quantity: 2,
            unit_price: Money(105),
            total_amount: Money(205)
        }
    );
    let prescription = round_trip!(
        conn,
        prescriptions,
        Prescription,
        NewPrescription {
            id: Id::new(),
            number: "number",
            patient_id: patient.id,
            doctor_id: doctor.id,
            appointment_id: Some(appointment.id),
            diagnosis: Some("diagnosis"),
            notes: Some("notes"),
            prescribed_at: at(1),
            created_by: Some(elsewhere()),
            created_at: at(2)
        }
    );
    round_trip!(
        conn,
        prescription_items,
        PrescriptionItem,
        NewPrescriptionItem {
            id: Id::new(),
            prescription_id: prescription.id,
            medicine_id: medicine.id,
            dosage: "dosage",
            frequency: "frequency",
            duration: "duration",
            instructions: Some("instructions"),
            quantity_prescribed: 2
        }
    );
    let supplier = round_trip!(
        conn,
        suppliers,
        Supplier,
        NewSupplier {
            id: Id::new(),
            code: "code",
            name: "name",
            contact_person: Some("contact person"),
            phone: Some("phone"),
            email: Some("email"),
            address: Some("address"),
            created_at: at(1)
        }
    );
    let inventory_item = round_trip!(
        conn,
        inventory_items,
        InventoryItem,
        NewInventoryItem {
            id: Id::new(),
            code: "code",
            name: "name",
            category: "category",
            unit: "unit",
            supplier_id: Some(supplier.id),
            reorder_level: 2,
            unit_cost: Money(105),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        inventory_transactions,
        InventoryTransaction,
        NewInventoryTransaction {
            id: Id::new(),
            inventory_item_id: inventory_item.id,
            department_id: Some(department.id),
            kind: InventoryTransactionKind::WriteOff,
            quantity: 2,
            unit_cost: Money(105),
            reference: Some("reference"),
            notes: Some("notes"),
            performed_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
}

pub(super) fn finance(conn: &mut Conn, people: &People, appointment: &Appointment) {
    let patient = &people.patient;
    let service = round_trip!(
        conn,
        services,
        Service,
        NewService {
            id: Id::new(),
            code: "code",
            name: "name",
            category: "category",
            description: Some("description"),
            price: Money(105),
            duration_minutes: Some(2),
            taxable: true,
            created_at: at(1)
        }
    );
    let invoice = round_trip!(
        conn,
        invoices,
        Invoice,
        NewInvoice {
            id: Id::new(),
            number: "number",
            patient_id: patient.id,
            appointment_id: Some(appointment.id),
            issued_on: day(1),
            due_on: day(2),
            subtotal_amount: Money(105),
            discount_amount: Money(205),
            tax_basis_points: 750,
            tax_amount: Money(305),
            total_amount: Money(405),
            notes: Some("notes"),
            created_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        invoice_items,
        InvoiceItem,
        NewInvoiceItem {
            id: Id::new(),
            invoice_id: invoice.id,
            service_id: Some(service.id),
            description: "description",
            quantity: 2,
            unit_price: Money(105),
            total_amount: Money(205),
            created_at: at(1)
        }
    );
    round_trip!(
        conn,
        payments,
        Payment,
        NewPayment {
            id: Id::new(),
            number: "number",
            invoice_id: invoice.id,
            amount: Money(105),
            payment_method: PaymentMethod::Mobile,
            state: PaymentState::Completed,
            reference: Some("reference"),
            notes: Some("notes"),
            processed_by: Some(elsewhere()),
            paid_at: at(1),
            created_at: at(2)
        }
    );
    round_trip!(
        conn,
        insurance_claims,
        InsuranceClaim,
        NewInsuranceClaim {
            id: Id::new(),
            number: "number",
            invoice_id: invoice.id,
            provider: "provider",
            policy_number: "policy number",
            claimed_amount: Money(105),
            submitted_on: day(1),
            notes: Some("notes"),
            created_by: Some(elsewhere()),
            created_at: at(1)
        }
    );
}
