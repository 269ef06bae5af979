ALTER TABLE pharmacy_sales DROP COLUMN payment_reference;
ALTER TABLE pharmacy_sales DROP COLUMN net_amount;
ALTER TABLE pharmacy_sales DROP COLUMN tax_amount;
ALTER TABLE pharmacy_sales DROP COLUMN discount_amount;
ALTER TABLE pharmacy_sales DROP COLUMN customer_phone;
ALTER TABLE pharmacy_sales DROP COLUMN customer_name;
ALTER TABLE pharmacy_sales DROP COLUMN hospital_id;
