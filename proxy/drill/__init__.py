"""``tollway drill``: the user's own configuration against every fault of the mock, and what a client would have seen."""
