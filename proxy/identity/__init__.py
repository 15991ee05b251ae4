"""Who is asking: keys to principals."""
