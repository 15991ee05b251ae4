"""Trying things out on live traffic: a share of requests copied to another model, a changed configuration on a share of them."""
