"""Parts of the database that need none, or only a file."""
