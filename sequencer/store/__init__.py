"""What is remembered: SQLAlchemy Core on SQLite or PostgreSQL, one module per aggregate."""
