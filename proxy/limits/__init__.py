"""Limits and budgets: the stores that decide them, the meter of streams, and the waiting room."""
