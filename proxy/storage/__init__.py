"""What outlives the process: accounts, keys, the ledger, in SQLite or PostgreSQL. Extra ``server``; imported only when configured."""
