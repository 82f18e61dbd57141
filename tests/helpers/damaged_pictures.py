"""Pictures that are damaged where no checksum shows it, for the tests of decoding and fetching."""

import struct
import zlib

JPEG_END = b"\xff\xd9"


def with_pixels(png, change):
    """The PNG with its packed pixels changed by a function, and checksums of chunks that fit."""
    at = png.index(b"IDAT") - 4
    end = png.index(b"IEND") - 4
    packed = b"".join(body for kind, body in chunks(png) if kind == b"IDAT")
    return png[:at] + chunk(b"IDAT", change(packed)) + png[end:]


def with_header(png, **fields):
    """The PNG with other fields of its header: width, height, interlace."""
    names = ("width", "height", "depth", "colour", "compression", "filter", "interlace")
    header = dict(zip(names, struct.unpack_from(">IIBBBBB", png, 16), strict=True)) | fields
    return png[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", *header.values())) + png[33:]


def chunks(png):
    at = 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        yield kind, png[at + 8 : at + 8 + length]
        at += 12 + length


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
