-- For people: one row of each, whatever a table holds before its parts are merged.
CREATE OR REPLACE VIEW v_points AS SELECT tenant, subject, metric, value, ts, source, partition, offset, idx FROM points FINAL;

CREATE OR REPLACE VIEW v_windows AS SELECT * EXCEPT (day) FROM windows FINAL;

CREATE OR REPLACE VIEW v_status AS SELECT * EXCEPT (day) FROM status FINAL;

CREATE OR REPLACE VIEW v_current AS SELECT * EXCEPT (gone, offset) FROM current FINAL WHERE gone = 0;

CREATE OR REPLACE VIEW v_dead_letters AS SELECT * EXCEPT (day) FROM dead_letters FINAL;
