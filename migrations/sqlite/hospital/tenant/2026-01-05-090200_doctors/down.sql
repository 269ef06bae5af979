DROP TABLE doctor_schedules;
DROP TABLE doctors;
