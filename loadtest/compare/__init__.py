"""The gateway beside its peers: all on the same mock upstream, with the same bodies, in interleaved rounds."""
