DROP TABLE radiology_studies;
DROP TABLE radiology_orders;
DROP TABLE study_types;
