"""What happens when a try at a target fails: what kind of fault it is, how long to wait, and where to go next."""
