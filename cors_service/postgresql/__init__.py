"""Policies in PostgreSQL: what reads them for replicas, what writes them, and the schema that both need.

* `address` reads a URL; `session` connects, and never waits for ever; `sentences` says in words what fails.
* `reading` has what is read of the tables. `PostgreSQLSource` reads for replicas, `PostgreSQLStore` reads and writes.
* `schema.sql` and `roles.sql` are applied by `prepare_store`, which `cors-service store init` calls.
"""

from cors_service.postgresql.schema import prepare_store as prepare_store
from cors_service.postgresql.source import PostgreSQLSource as PostgreSQLSource
from cors_service.postgresql.store import PostgreSQLStore as PostgreSQLStore
