DROP TABLE patient_feedback;
