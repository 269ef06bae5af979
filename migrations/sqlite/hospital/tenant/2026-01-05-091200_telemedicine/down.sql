DROP TABLE teleconsultations;
