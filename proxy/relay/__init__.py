"""The mechanics of passing a request on and its answer back: guards, headers, uploads, timers, the pump. No I/O library here."""
