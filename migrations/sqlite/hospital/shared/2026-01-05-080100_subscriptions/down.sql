DROP TABLE contract_acceptances;
DROP TABLE hospital_modules;
DROP TABLE subscriptions;
DROP TABLE plans;
