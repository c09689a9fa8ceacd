from tests.databases import database, database_url, migrated_sqlite, postgresql_server
from tests.operations.shop import live

__all__ = ["database", "database_url", "live", "migrated_sqlite", "postgresql_server"]
