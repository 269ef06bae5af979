DROP TABLE staff_attendance;
DROP TABLE staff_schedules;
DROP TABLE staff_members;
DROP TABLE departments;
