"""What keys and accounts are allowed and owe: as written down (``terms``), and as decided by the stores (``rules``)."""
