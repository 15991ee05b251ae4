"""A load of chat requests on any OpenAI-compatible URL, and what can honestly be said of the times they took."""
