"""Between dialects: OpenAI chat is the hub. A *front* is what the client speaks, a *dialect* what the provider speaks."""
