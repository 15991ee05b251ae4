"""The state store: a Valkey or Redis that workers and machines share, reached over one connection a worker.

Needs the extra ``redis`` (redis-py and hiredis, MIT), and ``valkey`` for the server that the gateway starts itself.
"""
