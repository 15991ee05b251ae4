"""What the gateway costs, measured from outside beside nginx. Start with `python -m loadtest.bench --help`."""
