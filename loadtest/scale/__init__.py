"""Scale: what a request costs with many workers, many silent streams, and what a fleet for a million requests a second would need."""
