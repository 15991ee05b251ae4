"""Everything the chain in ``middleware/`` uses: types, configuration, providers, upstream I/O, tokens, telemetry, CLI."""

__version__ = "0.1.0"
