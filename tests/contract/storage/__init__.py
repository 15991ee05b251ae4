"""One suite over both databases: SQLite and a real PostgreSQL."""
