"""Bodies that came compressed."""

import zlib

from omniroute.infra.http.line import Broken
from omniroute.infra.http.model import Reply

STEP_BYTES = 65_536


def decode(reply: Reply, bytes_max: int) -> Reply:
    """The reply with its plain body.

    Raises: Broken when it is damaged, of an encoding we do not read, or grows beyond `bytes_max`.
    """
    encodings = [name.strip().lower() for name in reply.headers.get("content-encoding", "").split(",") if name.strip()]
    body = reply.body
    for encoding in reversed(encodings):
        if encoding == "identity":
            continue
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise Broken("the reply is compressed in a way we do not read")
        body = _inflate(body, encoding, bytes_max)
    if body is reply.body:
        return reply
    headers = {name: value for name, value in reply.headers.items() if name != "content-encoding"}
    return Reply(reply.status, headers, body)


def _inflate(body: bytes, encoding: str, bytes_max: int) -> bytes:
    if not body:
        return body
    window = 31 if encoding.endswith("gzip") else (15 if body[0] & 0x0F == 8 else -15)
    inflater = zlib.decompressobj(window)
    out = bytearray()
    try:
        while not inflater.eof:
            step = inflater.decompress(body, STEP_BYTES)
            body = inflater.unconsumed_tail
            out += step
            if len(out) > bytes_max:
                raise Broken(f"the reply is larger than {bytes_max} bytes")
            if not step and not body and not inflater.eof:
                raise Broken("the compressed reply ended early")
    except zlib.error:
        raise Broken("the compressed reply is damaged") from None
    if inflater.unused_data:
        raise Broken("the compressed reply is damaged")
    return bytes(out)
