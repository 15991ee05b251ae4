"""Other gateways' configurations: read as they are, or rewritten as ours, with a report of what was left behind."""

from .findings import Finding, report_rows, report_text
from .litellm import Migration, is_litellm, migrate

__all__ = ["Finding", "Migration", "is_litellm", "migrate", "report_rows", "report_text"]
