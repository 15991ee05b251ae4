"""Checks AWS Signature Version 4 on a request to Bedrock: its form, and the signature itself when the secret is known.

Source: the signing guide of AWS (canonical request, scope, derived key); every service but S3 encodes the path twice.
"""

import hmac
import re
from hashlib import sha256
from urllib.parse import quote

from .reply import Call, Refused

_FORM = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def _mismatch(message: str) -> Refused:
    return Refused(message, status=403, code="InvalidSignatureException")


def check(call: Call, key: str) -> None:
    """Refuse a request that `key` did not sign: an access key id, or `id:secret` to have the signature checked."""
    found = _FORM.fullmatch(call.headers.get("authorization", ""))
    if found is None:
        raise Refused(
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter.",
            status=403,
            code="IncompleteSignatureException",
        )
    access, _, secret = key.partition(":")
    if found["id"] != access:
        raise Refused(
            "The security token included in the request is invalid.", status=403, code="UnrecognizedClientException"
        )
    if found["service"] != "bedrock":
        raise _mismatch(f"Credential should be scoped to correct service: 'bedrock'. It was '{found['service']}'.")
    signed = found["signed"].split(";")
    if "host" not in signed or "x-amz-date" not in signed:
        raise _mismatch("'Host' or ':authority' and 'X-Amz-Date' must be signed headers in the AWS Signature.")
    if secret and not hmac.compare_digest(signature(call, signed, secret, found.groupdict()), found["signature"]):
        raise _mismatch(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )


def signature(call: Call, signed: list[str], secret: str, scope: dict[str, str]) -> str:
    """Return the signature that the request ought to carry."""
    headers = "".join(f"{name}:{' '.join(call.headers.get(name, '').split())}\n" for name in signed)
    path = quote(call.path, safe="/-_.~")
    query = "&".join(sorted(filter(None, call.query_string.split("&"))))
    canonical = "\n".join(
        (call.method, path, query, headers, ";".join(signed), sha256(call.body).hexdigest()),
    )
    named = f"{scope['date']}/{scope['region']}/{scope['service']}/aws4_request"
    moment = call.headers.get("x-amz-date", "")
    text = "\n".join(("AWS4-HMAC-SHA256", moment, named, sha256(canonical.encode()).hexdigest()))
    derived = f"AWS4{secret}".encode()
    for part in (scope["date"], scope["region"], scope["service"], "aws4_request"):
        derived = hmac.digest(derived, part.encode(), sha256)
    return hmac.digest(derived, text.encode(), sha256).hex()
