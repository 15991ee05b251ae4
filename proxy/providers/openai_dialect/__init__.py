"""OpenAI's dialect as many providers speak it: what they take otherwise, and what they say otherwise."""
