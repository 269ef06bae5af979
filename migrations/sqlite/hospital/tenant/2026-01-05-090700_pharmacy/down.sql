DROP TABLE prescription_items;
DROP TABLE prescriptions;
DROP TABLE pharmacy_sale_items;
DROP TABLE pharmacy_sales;
DROP TABLE stock_movements;
DROP TABLE medicines;
DROP TABLE manufacturers;
DROP TABLE drug_categories;
