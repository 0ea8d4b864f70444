-- What a next version could add: the one before has to go on beside it, restarts included.
-- serves programs from 4
ALTER TABLE gateway.source_event ADD COLUMN added_by_the_next text;
COMMENT ON COLUMN gateway.source_event.added_by_the_next IS 'What the next version knows.';
CREATE TABLE gateway.added_by_the_next (id integer PRIMARY KEY);
