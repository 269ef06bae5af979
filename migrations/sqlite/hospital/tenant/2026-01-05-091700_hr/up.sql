CREATE TABLE leave_requests (
    id BLOB NOT NULL PRIMARY KEY,
    staff_member_id BLOB NOT NULL REFERENCES staff_members (id),
    kind TEXT NOT NULL CHECK (kind IN ('annual', 'sick', 'parental', 'study', 'emergency', 'unpaid')),
    starts_on DATE NOT NULL,
    ends_on DATE NOT NULL CHECK (ends_on >= starts_on),
    reason TEXT,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'rejected', 'cancelled')),
    decided_by BLOB,
    decided_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX leave_requests_staff_member_id_idx ON leave_requests (staff_member_id);

CREATE TABLE payroll_entries (
    id BLOB NOT NULL PRIMARY KEY,
    staff_member_id BLOB NOT NULL REFERENCES staff_members (id),
    period TEXT NOT NULL,
    base_amount BIGINT NOT NULL CHECK (base_amount >= 0),
    allowance_amount BIGINT NOT NULL CHECK (allowance_amount >= 0),
    deduction_amount BIGINT NOT NULL CHECK (deduction_amount >= 0),
    net_amount BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'approved', 'paid', 'cancelled')),
    paid_on DATE,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP,
    UNIQUE (staff_member_id, period)
);
