"""Alembic's environment and revisions. They are run by ``proxy.storage.migrating``, never through Alembic's command line."""
