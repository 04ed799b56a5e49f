-- What the log keeps of a prediction is written with every prediction and seldom read: json is stored as it comes, while to
-- take jsonb apart cost PostgreSQL as much as all the rest of writing a row.
alter table prediction_log
  alter column inputs type json using inputs::json,
  alter column outputs type json using outputs::json,
  alter column features type json using features::json;
