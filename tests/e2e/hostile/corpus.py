"""Bodies and requests that must never reach a provider, and what a client is told about them."""

import json

from tests.support.rawhttp import MESSAGES

DEEP = 65


def body(**fields: object) -> bytes:
    """A valid chat body but for ``fields``."""
    return json.dumps({"model": "gpt-4o", "messages": MESSAGES, **fields}).encode()


def nested(levels: int) -> bytes:
    """A chat body whose deepest value stands ``levels`` deep, the body itself being the first."""
    inner = b"[" * (levels - 1) + b"]" * (levels - 1)
    return b'{"model":"gpt-4o","messages":[],"metadata":' + inner + b"}"


VALID = body()

BODIES: dict[str, tuple[bytes, int, str | None]] = {
    "empty": (b"", 400, "invalid_json"),
    "blank": (b"  \r\n ", 400, "invalid_json"),
    "words": (b"How long is the road?", 400, "invalid_json"),
    "truncated": (VALID[:-15], 400, "invalid_json"),
    "one brace": (b"{", 400, "invalid_json"),
    "trailing": (VALID + b"x", 400, "invalid_json"),
    "two bodies": (VALID + VALID, 400, "invalid_json"),
    "comment": (b"/* */" + VALID, 400, "invalid_json"),
    "trailing comma": (VALID[:-1] + b",}", 400, "invalid_json"),
    "single quotes": (b"{'model': 'gpt-4o'}", 400, "invalid_json"),
    "byte order mark": (b"\xef\xbb\xbf" + VALID, 400, "invalid_json"),
    "utf-16": (VALID.decode().encode("utf-16"), 400, "invalid_json"),
    "utf-16le": (VALID.decode().encode("utf-16-le"), 400, "invalid_json"),
    "utf-32": (VALID.decode().encode("utf-32"), 400, "invalid_json"),
    "nan": (b'{"model":"gpt-4o","messages":[],"temperature":NaN}', 400, "invalid_json"),
    "infinity": (b'{"model":"gpt-4o","messages":[],"temperature":-Infinity}', 400, "invalid_json"),
    "leading zero": (b'{"model":"gpt-4o","messages":[],"temperature":01}', 400, "invalid_json"),
    "hexadecimal": (b'{"model":"gpt-4o","messages":[],"temperature":0x1}', 400, "invalid_json"),
    "control byte in a string": (b'{"model":"gpt-4o","messages":[],"user":"a\nb"}', 400, "invalid_json"),
    "bad utf-8": (b'{"model":"gpt-4o","messages":[],"user":"\xff\xfe"}', 400, "invalid_json"),
    "cut utf-8": (b'{"model":"gpt-4o","messages":[],"user":"\xe2\x82"}', 400, "invalid_json"),
    "overlong utf-8": (b'{"model":"gpt-4o","messages":[],"user":"\xc0\xaf"}', 400, "invalid_json"),
    "surrogate as utf-8": (b'{"model":"gpt-4o","messages":[],"user":"\xed\xa0\x80"}', 400, "invalid_json"),
    "bad utf-8 in a key": (b'{"model":"gpt-4o","messages":[],"\xff":1}', 400, "invalid_json"),
    "lone surrogate": (b'{"model":"gpt-4o","messages":[],"user":"\\ud800"}', 400, "invalid_json"),
    "lone low surrogate": (b'{"model":"gpt-4o","messages":[],"user":"\\udc00x"}', 400, "invalid_json"),
    "lone surrogate in the model": (b'{"model":"gpt\\ud800","messages":[]}', 400, "invalid_json"),
    "bad escape": (b'{"model":"gpt-4o","messages":[],"user":"\\x41"}', 400, "invalid_json"),
    "65 levels": (nested(DEEP), 400, "invalid_json"),
    "1100 levels": (nested(1100), 400, "invalid_json"),
    "100000 levels": (nested(100_000), 400, "invalid_json"),
    "100000 open brackets": (b"[" * 100_000, 400, "invalid_type"),
    "100000 open objects": (b'{"a":' * 100_000, 400, "invalid_json"),
    "an array": (b"[]", 400, "invalid_type"),
    "a string": (b'"gpt-4o"', 400, "invalid_type"),
    "a number": (b"42", 400, "invalid_type"),
    "null": (b"null", 400, "invalid_type"),
    "model twice": (b'{"model":"gpt-4o","messages":[],"model":"other"}', 400, "duplicate_field"),
    "model twice, escaped": (b'{"model":"gpt-4o","messages":[],"mod\\u0065l":"other"}', 400, "duplicate_field"),
    "model twice, escaped first": (b'{"\\u006d\\u006F\\u0064\\u0065\\u006C":"a","model":"gpt-4o"}', 400, "duplicate_field"),
    "stream twice": (b'{"model":"gpt-4o","messages":[],"stream":true,"stream":false}', 400, "duplicate_field"),
    "stream twice, escaped": (b'{"model":"gpt-4o","messages":[],"stream":true,"\\u0073tream":false}', 400, "duplicate_field"),
    "cap twice": (b'{"model":"gpt-4o","messages":[],"max_tokens":1,"max_tokens":9}', 400, "duplicate_field"),
    "no model": (b'{"messages":[]}', 400, "missing_required_parameter"),
    "null model": (b'{"model":null,"messages":[]}', 400, "missing_required_parameter"),
    "numeric model": (body(model=4), 400, "invalid_type"),
    "list model": (body(model=["gpt-4o"]), 400, "invalid_type"),
    "object model": (body(model={"name": "gpt-4o"}), 400, "invalid_type"),
    "stream as text": (body(stream="true"), 400, "invalid_type"),
    "stream as number": (body(stream=1), 400, "invalid_type"),
    "stream options as list": (body(stream_options=[]), 400, "invalid_type"),
    "cap as text": (body(max_tokens="9"), 400, "invalid_type"),
    "negative cap": (body(max_tokens=-1), 400, "invalid_type"),
    "gigantic cap": (body(max_tokens=2**70), 400, "invalid_type"),
    "fractional cap": (body(max_completion_tokens=1.5), 400, "invalid_type"),
    "n of zero": (body(n=0), 400, "invalid_type"),
    "n of a million": (body(n=10**6), 400, "invalid_type"),
    "n as boolean": (body(n=True), 400, "invalid_type"),
    "api_base": (body(api_base="http://127.0.0.1:1/v1"), 400, "unsupported_parameter"),
    "base_url": (body(base_url="http://127.0.0.1:1/v1"), 400, "unsupported_parameter"),
    "api_key": (body(api_key="sk-x"), 400, "unsupported_parameter"),
    "custom_llm_provider": (body(custom_llm_provider="x"), 400, "unsupported_parameter"),
    "api_base, escaped": (b'{"model":"gpt-4o","messages":[],"\\u0061pi_base":"http://127.0.0.1:1"}', 400, "unsupported_parameter"),
    "unknown model": (body(model="gtp-4o"), 404, "model_not_found"),
    "model of a path": (body(model="../../etc/passwd"), 404, "model_not_found"),
    "model with a line end": (body(model="gpt-4o\r\nx-evil: 1"), 404, "model_not_found"),
    "model of 100 KB": (body(model="m" * 100_000), 404, "model_not_found"),
    "empty model": (body(model=""), 404, "model_not_found"),
    "model with a NUL": (b'{"model":"gpt-4o\\u0000","messages":[]}', 404, "model_not_found"),
}  # fmt: skip
"""Name to (body, status, code). Several answers of 4xx would do for the last ones; these are ours."""

AUTH = b"authorization: Bearer sk-tw-test-key\r\n"
JSON = b"content-type: application/json\r\n"


def post(headers: bytes, payload: bytes = b"", *, host: bytes = b"host: x\r\n", version: bytes = b"1.1") -> bytes:
    """A chat request whose framing headers are the caller's."""
    return b"POST /v1/chat/completions HTTP/" + version + b"\r\n" + host + AUTH + JSON + headers + b"\r\n" + payload


def _chunked(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(payload), payload)


_N = b"%d" % len(VALID)
_TE = b"transfer-encoding: chunked\r\n"

SMUGGLED: dict[str, tuple[bytes, set[int]]] = {
    "two content-lengths": (post(b"content-length: %b\r\ncontent-length: 5\r\n" % _N, VALID), {400}),
    "a list of content-lengths": (post(b"content-length: %b, %b\r\n" % (_N, _N), VALID), {400}),
    "content-length with a plus": (post(b"content-length: +%b\r\n" % _N, VALID), {400}),
    "negative content-length": (post(b"content-length: -5\r\n", VALID), {400}),
    "overflowing content-length": (post(b"content-length: 99999999999999999999999\r\n", VALID), {400}),
    "hexadecimal content-length": (post(b"content-length: 0x10\r\n", VALID), {400}),
    "transfer-encoding identity": (post(b"transfer-encoding: identity\r\n", VALID), {400}),
    "transfer-encoding xchunked": (post(b"transfer-encoding: xchunked\r\n", _chunked(VALID)), {400}),
    "chunked not last": (post(b"transfer-encoding: chunked, gzip\r\n", _chunked(VALID)), {400}),
    "space before the colon": (post(b"transfer-encoding : chunked\r\n", _chunked(VALID)), {400}),
    "transfer-encoding on 1.0": (post(_TE, _chunked(VALID), version=b"1.0"), {400}),
    "folded header": (post(b"x-fold: a\r\n b\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "bare CR in a value": (post(b"x-cr: a\rb\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "NUL in a value": (post(b"x-nul: a\x00b\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "control byte in a value": (post(b"x-ctl: a\x01b\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "space in a name": (post(b"x bad: a\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "empty name": (post(b": a\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "gzip, chunked": (post(b"transfer-encoding: gzip, chunked\r\n", _chunked(VALID)), {400, 415, 200}),
    "bad chunk size": (post(_TE, b"zz\r\n" + VALID), {400}),
    "chunk size overflow": (post(_TE, b"fffffffffffffffff\r\n" + VALID), {400}),
    "negative chunk size": (post(_TE, b"-5\r\n" + VALID), {400}),
    "bare LF in chunks": (post(_TE, b"%x\n%b\n0\n\n" % (len(VALID), VALID)), {400}),
    "gigantic chunk extension": (post(_TE, b"5;" + b"e" * 20_000 + b"\r\nhello\r\n0\r\n\r\n"), {400}),
    "no host": (post(b"content-length: %b\r\n" % _N, VALID, host=b""), {400}),
    "two hosts": (post(b"content-length: %b\r\n" % _N, VALID, host=b"host: x\r\nhost: y\r\n"), {400}),
    "host with a path": (post(b"content-length: %b\r\n" % _N, VALID, host=b"host: a/b?c#d\r\n"), {400}),
    "host with a user": (post(b"content-length: %b\r\n" % _N, VALID, host=b"host: x@y\r\n"), {400}),
    "host of bytes": (post(b"content-length: %b\r\n" % _N, VALID, host=b"host: \xff\r\n"), {400}),
    "empty host": (post(b"content-length: %b\r\n" % _N, VALID, host=b"host: \r\n"), {400}),
    "two authorizations": (post(b"authorization: Bearer other\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "two content-types": (post(b"content-type: text/plain\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "content_length": (post(b"content_length: 3\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "x_api_key": (post(b"x_api_key: sk-tw-test-key\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "transfer_encoding": (post(b"transfer_encoding: chunked\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "x_tollway_key": (post(b"x_tollway_key: x\r\ncontent-length: %b\r\n" % _N, VALID), {400}),
    "900 KB of header": (post(b"x-big: " + b"b" * 900_000 + b"\r\ncontent-length: %b\r\n" % _N, VALID), {431, 400}),
    "300 headers": (post(b"".join(b"x-%d: v\r\n" % n for n in range(300)) + b"content-length: %b\r\n" % _N, VALID), {431, 400}),
    "URI of 70 KB": (b"POST /v1/" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n" + AUTH + b"content-length: 0\r\n\r\n", {414, 404, 400, 431}),
    "CONNECT": (b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n" + AUTH + b"\r\n", {400, 404, 405}),
    "TRACE": (b"TRACE /v1/models HTTP/1.1\r\nhost: x\r\n" + AUTH + b"\r\n", {400, 404, 405}),
    "unknown method": (b"BREW /v1/models HTTP/1.1\r\nhost: x\r\n" + AUTH + b"\r\n", {400, 404, 405}),
    "method of lower case": (b"post /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + AUTH + b"content-length: 0\r\n\r\n", {400, 404, 405}),
    "HTTP/0.9": (b"GET /v1/models\r\n\r\n", {400}),
    "HTTP/3.0": (b"GET /v1/models HTTP/3.0\r\nhost: x\r\n\r\n", {400, 505}),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, {400}),
    "upgrade without a key": (b"GET /v1/realtime?model=gpt-4o HTTP/1.1\r\nhost: x\r\n" + AUTH + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n", {400, 404, 426}),
    "upgrade to h2c": (b"GET /v1/unknown/../x HTTP/1.1\r\nhost: x\r\n" + AUTH + b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n", {400, 404}),
}  # fmt: skip
"""Name to (bytes, statuses allowed). 200 stands only where the request is sound HTTP and says one thing alone."""

PATHS = [
    "/v1/../v1/chat/completions", "/v1/%2e%2e/admin", "/v1/..%2f..%2fetc", "//v1/chat/completions", "/v1//chat/completions",
    "/v1/chat/completions/", "/v1/chat/completions%00", "/v1/files/%00", "/v1/files/a%0d%0ax-evil:1", "/v1/./models",
    "/v1/files/..", "/v1/%2e/x", "/etc/passwd", "/admin/v1/keys", "/.git/config", "/v1/v1/models", "/V1/CHAT/COMPLETIONS/x",
    "/v1/files/a\\b", "/v1/files/%5c", "/metrics/x", "/openai/v1/../../x", "/v1/organization/users", "/v1/projects/p",
    "*", "http://127.0.0.1:1/etc/passwd",
]  # fmt: skip
"""Targets that are nobody's: 404 (or 400), and no provider hears of them."""
