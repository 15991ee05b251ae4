"""The gate: what a request costs, in counts that another run and another load of the machine do not change, beside a baseline."""
