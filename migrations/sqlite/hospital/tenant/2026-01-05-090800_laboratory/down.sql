DROP TABLE lab_results;
DROP TABLE lab_order_items;
DROP TABLE lab_orders;
DROP TABLE lab_tests;
DROP TABLE lab_sections;
