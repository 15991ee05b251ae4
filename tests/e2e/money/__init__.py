"""Keys, limits and money on real gateways: many processes, real stores, real crashes."""
