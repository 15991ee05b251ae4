"""Configuration: ``load`` gives a typed tree and where each value came from, or every problem at once."""

from .load import Loaded, load
from .problems import ConfigError, Problem
from .schema import Config
from .secrets import Secret

__all__ = ["Config", "ConfigError", "Loaded", "Problem", "Secret", "load"]
