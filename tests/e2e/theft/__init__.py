"""A thief at a real gateway: each file is a way to get tokens, money or things of others, and what it must come to."""
