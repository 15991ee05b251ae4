"""All upstream I/O, behind the ``Transport`` protocol."""
