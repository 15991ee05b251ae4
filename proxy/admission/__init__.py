"""Whether a request may run: what it asks of limits and budgets, what it is told when it may not, what it holds while it runs."""
