DROP TABLE payroll_entries;
DROP TABLE leave_requests;
