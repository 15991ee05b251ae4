"""`tollway mock`: a deterministic upstream that speaks every dialect the gateway knows.

It serves the demo, the tests, the load tests and the fault drills; docs/mock.md is its manual. Nothing is imported
here, so that the command line can read the controls without loading a server: use `proxy.mock.server.start`.
"""
