DROP TABLE opd_visits;
