-- How long the chain of handlers is that led to an event (null for 0), and what few events carry beside their message.
-- Both are null for most: then they take no room in the row, and none in what is sent.
ALTER TABLE {schema}.event_log ADD COLUMN depth smallint CHECK (depth > 0), ADD COLUMN headers bytea;
ALTER TABLE {schema}.delayed ADD COLUMN depth smallint CHECK (depth > 0), ADD COLUMN headers bytea;
ALTER TABLE {schema}.dead_letter ADD COLUMN depth smallint CHECK (depth > 0), ADD COLUMN headers bytea;
