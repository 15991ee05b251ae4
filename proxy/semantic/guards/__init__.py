"""What no embedding gives: two questions pass only if nothing that changes the answer differs between them.

Each question is brought into one canonical form; forms that are equal pass every guard, and what differs between two others names the
guard that refuses. Only what is known not to matter is folded: everything else in a question has to be the same.
"""

from .differing import GUARDS, differs
from .forms import Features, features, signature

__all__ = ["GUARDS", "Features", "differs", "features", "signature"]
