"""Official SDKs as clients of the gateway, in front of an upstream that speaks every provider's dialect."""
