"""How many tokens a text or a request is: an estimate from bytes, or an exact count by the tokeniser shipped here."""
