DROP TABLE patient_vitals;
DROP TABLE patient_documents;
DROP TABLE patient_notes;
DROP TABLE patients;
