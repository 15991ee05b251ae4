"""``tollway compare``: the same prompts to several models through a gateway, graded, measured, and turned into scores that routing reads.

What is asked and what came back lie in one file of lines, so a run that was broken off goes on where it stopped.
"""
