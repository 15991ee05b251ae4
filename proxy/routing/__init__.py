"""Which target answers for which public model name."""
