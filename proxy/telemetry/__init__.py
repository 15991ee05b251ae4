"""What leaves the process about requests: metrics, the access log, the process log."""
