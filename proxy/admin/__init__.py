"""`/admin/v1`: accounts, keys, credits, vouchers, usage, over the database. The CLI uses the same API, here or far away."""
