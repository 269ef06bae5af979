DROP TABLE inventory_transactions;
DROP TABLE inventory_items;
DROP TABLE suppliers;
