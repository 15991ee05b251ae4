"""Prices, the settlement policy, and the ledger with its write-ahead journal. Nothing here waits for SQL on behalf of a request."""
