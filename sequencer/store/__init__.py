"""What survives a crash: tables, transactions and one module per aggregate, the same on SQLite and PostgreSQL.

Every function takes the connection of a transaction first (`Database.begin()` to write, `Database.read()` to read);
instants are timezone-aware UTC datetimes in and out. Reading order: `database`, `tables`, `enrollments`, `attempts`.
"""
