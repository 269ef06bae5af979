DROP TABLE nurse_schedules;
DROP TABLE nurses;
