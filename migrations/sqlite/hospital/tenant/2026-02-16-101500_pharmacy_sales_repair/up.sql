-- The sales of the first weeks lack seven columns. They are added in place: a sale already made keeps its row, counts as
-- sold without discount and tax, and has no hospital_id, which nothing in this database could tell.
ALTER TABLE pharmacy_sales ADD COLUMN hospital_id BLOB;
ALTER TABLE pharmacy_sales ADD COLUMN customer_name TEXT NOT NULL DEFAULT '';
ALTER TABLE pharmacy_sales ADD COLUMN customer_phone TEXT NOT NULL DEFAULT '';
ALTER TABLE pharmacy_sales ADD COLUMN discount_amount BIGINT NOT NULL DEFAULT 0 CHECK (discount_amount >= 0);
ALTER TABLE pharmacy_sales ADD COLUMN tax_amount BIGINT NOT NULL DEFAULT 0 CHECK (tax_amount >= 0);
ALTER TABLE pharmacy_sales ADD COLUMN net_amount BIGINT NOT NULL DEFAULT 0 CHECK (net_amount >= 0);
ALTER TABLE pharmacy_sales ADD COLUMN payment_reference TEXT NOT NULL DEFAULT '';

UPDATE pharmacy_sales SET net_amount = total_amount;
