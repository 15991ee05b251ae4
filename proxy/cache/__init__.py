"""Answers kept to be given again: what may be kept, under which key, in which store, and how it is played back."""
