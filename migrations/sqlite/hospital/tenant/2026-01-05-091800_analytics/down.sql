DROP TABLE daily_metrics;
