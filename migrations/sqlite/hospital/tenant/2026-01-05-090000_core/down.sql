DROP TABLE number_sequences;
DROP TABLE settings;
