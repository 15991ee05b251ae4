"""The proof that the guards hold: pairs that must not match and pairs that should, written by hand, and what each layer makes of them."""
