DROP TABLE emergency_vitals;
DROP TABLE emergency_cases;
