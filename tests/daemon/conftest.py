from tests.databases import database, database_url, migrated_sqlite, postgresql_server
from tests.dovecot import dovecot

__all__ = ["database", "database_url", "dovecot", "migrated_sqlite", "postgresql_server"]
