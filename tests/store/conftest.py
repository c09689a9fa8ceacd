from tests.databases import database, database_url, migrated_sqlite, postgresql_server

__all__ = ["database", "database_url", "migrated_sqlite", "postgresql_server"]
