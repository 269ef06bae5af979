CREATE TABLE plans (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    monthly_price BIGINT NOT NULL CHECK (monthly_price >= 0),
    yearly_price BIGINT NOT NULL CHECK (yearly_price >= 0),
    currency TEXT NOT NULL,
    max_users INTEGER,
    max_doctors INTEGER,
    max_patients INTEGER,
    max_storage_mb BIGINT,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);

CREATE TABLE subscriptions (
    id BLOB NOT NULL PRIMARY KEY,
    hospital_id BLOB NOT NULL REFERENCES hospitals (id),
    plan_id BLOB NOT NULL REFERENCES plans (id),
    state TEXT NOT NULL
        CHECK (state IN ('trial', 'pending', 'active', 'past_due', 'suspended', 'cancelled', 'expired')),
    billing_cycle TEXT NOT NULL CHECK (billing_cycle IN ('monthly', 'yearly')),
    price BIGINT NOT NULL CHECK (price >= 0),
    currency TEXT NOT NULL,
    auto_renew BOOLEAN NOT NULL,
    starts_on DATE NOT NULL,
    ends_on DATE NOT NULL CHECK (ends_on >= starts_on),
    trial_ends_on DATE,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX subscriptions_hospital_id_idx ON subscriptions (hospital_id);
CREATE INDEX subscriptions_plan_id_idx ON subscriptions (plan_id);
CREATE UNIQUE INDEX subscriptions_current_idx ON subscriptions (hospital_id)
WHERE state NOT IN ('cancelled', 'expired');

CREATE TABLE hospital_modules (
    hospital_id BLOB NOT NULL REFERENCES hospitals (id),
    module TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    updated_at TIMESTAMP,
    PRIMARY KEY (hospital_id, module)
);

CREATE TABLE contract_acceptances (
    id BLOB NOT NULL PRIMARY KEY,
    hospital_id BLOB NOT NULL REFERENCES hospitals (id),
    user_id BLOB NOT NULL REFERENCES users (id),
    version TEXT NOT NULL,
    text_sha256 TEXT NOT NULL,
    ip_address TEXT,
    accepted_at TIMESTAMP NOT NULL,
    UNIQUE (hospital_id, user_id, version)
);
CREATE INDEX contract_acceptances_user_id_idx ON contract_acceptances (user_id);
