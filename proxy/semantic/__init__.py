"""Questions that mean the same: hard partitions, guards that no embedding gives, vectors, thresholds that learn, and the proof of it."""
