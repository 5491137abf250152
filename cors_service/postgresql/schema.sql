-- Where cors-service keeps policies: version 1. Applied by `cors-service store init URL`; may be applied again.

CREATE SCHEMA IF NOT EXISTS cors;

CREATE TABLE IF NOT EXISTS cors.version (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version int NOT NULL
);

-- The newest change. The lock on this row is the order of commits.
CREATE TABLE IF NOT EXISTS cors.head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    revision text NOT NULL,
    entry bytea NOT NULL,
    format int NOT NULL,
    at timestamptz NOT NULL
);

-- What is defined now. It is `json`, not `jsonb`, since that keeps what authors wrote, in their order.
CREATE TABLE IF NOT EXISTS cors.document (
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    body json NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (kind, name)
);

-- What each change wrote; without a digest and a body, what it removed.
CREATE TABLE IF NOT EXISTS cors.change (
    seq bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    digest bytea,
    body json,
    PRIMARY KEY (seq, kind, name),
    CHECK ((digest IS NULL) = (body IS NULL))
);

-- The chain of all changes. The hash is that of the text of the entry, which `json` keeps to the byte.
CREATE TABLE IF NOT EXISTS cors.ledger (
    seq bigint PRIMARY KEY,
    entry json NOT NULL,
    hash bytea NOT NULL
);

CREATE OR REPLACE FUNCTION cors.only_append() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The history of policies is only appended to.';
END
$$;

CREATE OR REPLACE TRIGGER only_append BEFORE UPDATE OR DELETE OR TRUNCATE ON cors.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION cors.only_append();
CREATE OR REPLACE TRIGGER only_append BEFORE UPDATE OR DELETE OR TRUNCATE ON cors.change
    FOR EACH STATEMENT EXECUTE FUNCTION cors.only_append();
