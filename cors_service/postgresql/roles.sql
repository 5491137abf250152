-- Who may read policies, and who may write them: grant these roles to the users of services and of cors-admin.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['cors_reader', 'cors_writer'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA cors TO cors_reader, cors_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA cors TO cors_reader, cors_writer;
GRANT UPDATE ON cors.head TO cors_writer;
GRANT INSERT, UPDATE, DELETE ON cors.document TO cors_writer;
GRANT INSERT ON cors.change, cors.ledger TO cors_writer;
