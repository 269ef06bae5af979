DROP TABLE surgery_team;
DROP TABLE surgeries;
DROP TABLE operating_theatres;
