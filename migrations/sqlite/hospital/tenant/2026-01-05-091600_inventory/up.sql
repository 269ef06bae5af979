CREATE TABLE suppliers (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    contact_person TEXT,
    phone TEXT,
    email TEXT,
    address TEXT,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE inventory_items (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    unit TEXT NOT NULL,
    supplier_id BLOB REFERENCES suppliers (id),
    on_hand INTEGER NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
    reorder_level INTEGER NOT NULL CHECK (reorder_level >= 0),
    unit_cost BIGINT NOT NULL CHECK (unit_cost >= 0),
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX inventory_items_supplier_id_idx ON inventory_items (supplier_id);

CREATE TABLE inventory_transactions (
    id BLOB NOT NULL PRIMARY KEY,
    inventory_item_id BLOB NOT NULL REFERENCES inventory_items (id),
    department_id BLOB REFERENCES departments (id),
    kind TEXT NOT NULL CHECK (kind IN ('receipt', 'issue', 'return', 'adjustment', 'write_off')),
    quantity INTEGER NOT NULL CHECK (quantity <> 0),
    unit_cost BIGINT NOT NULL CHECK (unit_cost >= 0),
    reference TEXT,
    notes TEXT,
    performed_by BLOB,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX inventory_transactions_inventory_item_id_idx ON inventory_transactions (inventory_item_id);
CREATE INDEX inventory_transactions_department_id_idx ON inventory_transactions (department_id);
