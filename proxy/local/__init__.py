"""What the gateway answers by itself: health, metrics, its own model list and token counts."""
