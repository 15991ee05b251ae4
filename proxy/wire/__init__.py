"""What travels on the client side: request views, usage, SSE."""
