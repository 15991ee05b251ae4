"""Whose objects are whose: everybody shares the operator's key upstream, and still sees only what their own account made.

``table`` says which paths hand out, name and list ids; ``paths``, ``bodies`` and ``answers`` find them; ``memory`` and ``redis`` remember.
"""
