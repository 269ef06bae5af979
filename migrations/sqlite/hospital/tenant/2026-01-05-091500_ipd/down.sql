DROP TABLE treatments;
DROP TABLE admissions;
