"""Is a whole answer one to keep? One file a dialect; ``proxy.cache.judging`` asks them."""
