"""How well targets and their keys do: what they gave lately, what is under way, and which of them are left alone for now."""
