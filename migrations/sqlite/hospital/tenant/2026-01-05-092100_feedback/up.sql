CREATE TABLE patient_feedback (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB REFERENCES patients (id),
    appointment_id BLOB REFERENCES appointments (id),
    rating INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5),
    comments TEXT,
    reply TEXT,
    replied_by BLOB,
    replied_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX patient_feedback_patient_id_idx ON patient_feedback (patient_id);
CREATE INDEX patient_feedback_appointment_id_idx ON patient_feedback (appointment_id);
