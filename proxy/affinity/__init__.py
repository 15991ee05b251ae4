"""What belongs together goes to one place: when that matters at all, and what requests of one prompt share.

Where a made object is, ``proxy/ownership`` remembers beside whose it is.
"""
