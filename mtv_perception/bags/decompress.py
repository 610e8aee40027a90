"""Decompression within limits: a few kilobytes in a bag can claim gigabytes."""

from __future__ import annotations

from pathlib import Path

import zstandard

MAX_BYTES = 256 << 20
"""Most bytes of one decompressed message or chunk. Recorders write chunks of 1 to 4 MB; an image of
8 megapixels takes 24 MB."""
_WINDOW_BYTES = 128 << 20
# A compressed file: as much as is usual for a recording, or a hundred times its size.
_FILE_BYTES, _FILE_RATIO = 1 << 30, 100
_BLOCK_BYTES = 1 << 20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class DamageError(Exception):
    """The file can't be read beyond this point."""


def plain(data: bytes) -> bytes:
    """A message without rosbag2's compression.

    Serialised messages never begin like a zstd frame.
    """
    return unzstd(data) if data[:4] == _ZSTD_MAGIC else data


def unzstd(data: bytes) -> bytes:
    """The content of a zstd frame.

    Raises:
        DamageError: broken, or more than MAX_BYTES.
    """
    try:
        claimed = zstandard.get_frame_parameters(data).content_size
        if claimed in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR):
            return _streamed(data)
        if claimed > MAX_BYTES:
            raise DamageError(f"expected at most {MAX_BYTES} decompressed bytes, got {claimed}")
        return zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompress(data)
    except zstandard.ZstdError as error:
        raise DamageError(f"broken zstd data: {error}") from error


def _streamed(data: bytes) -> bytes:
    parts, size = [], 0
    stream = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).stream_reader(data)
    while block := stream.read(_BLOCK_BYTES):
        parts.append(block)
        size += len(block)
        if size > MAX_BYTES:
            raise DamageError(f"expected at most {MAX_BYTES} decompressed bytes, got more")
    return b"".join(parts)


def unlz4(data: bytes) -> bytes:
    """The content of an LZ4 frame.

    Raises:
        DamageError: broken, or more than MAX_BYTES.
    """
    import lz4.frame  # type: ignore[import-untyped]

    try:
        decompressor = lz4.frame.LZ4FrameDecompressor()
        content = bytes(decompressor.decompress(data, max_length=MAX_BYTES + 1))
    except (RuntimeError, EOFError) as error:
        raise DamageError(f"broken lz4 data: {error}") from error
    if len(content) > MAX_BYTES:
        raise DamageError(f"expected at most {MAX_BYTES} decompressed bytes, got more")
    if not decompressor.eof:
        raise DamageError("broken lz4 data: its end is missing")
    return content


def unpack_file(source: Path, target: Path) -> str:
    """Write the content of a compressed storage file; returns what is wrong with it, or ""."""
    limit, size = max(_FILE_BYTES, _FILE_RATIO * source.stat().st_size), 0
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
    with source.open("rb") as packed, target.open("wb") as unpacked:
        stream = decompressor.stream_reader(packed, read_across_frames=True)
        try:
            while block := stream.read(_BLOCK_BYTES):
                size += unpacked.write(block)
                if size > limit:
                    return f"expected at most {limit} decompressed bytes, got more"
        except zstandard.ZstdError as error:
            return f"broken zstd data: {error}"
    return ""
