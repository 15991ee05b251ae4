"""A stored answer in the form that is asked for: JSON as the events of its dialect, events as JSON, and either as it is.

Each dialect folds its events into the plain answer, and unfolds that into the events that a model would have sent.
"""

from .events import events_in
from .playing import played
from .saying import said

__all__ = ["events_in", "played", "said"]
