"""The growth of the gateway's memory during large uploads."""

import asyncio
import json
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import psutil

MEBIBYTE = 1024 * 1024
_BLOCK = 256 * 1024
_SAMPLED_EVERY_S = 0.02
_BOUNDARY = "a-boundary-that-is-in-no-file"


@dataclass(frozen=True)
class Upload:
    """One file, and the path that it is POSTed to."""

    name: str
    path: str
    filename: str
    content_type: str
    size_bytes: int
    blocks: Iterator[bytes]


def lora(size_bytes: int) -> Upload:
    """Write a safetensors file of rank-16 LoRA layers, all zeros."""
    rank, width = 16, 3072
    layers = (size_bytes - MEBIBYTE) // (2 * 2 * rank * width)
    header: dict[str, object] = {}
    offset = 0
    for layer in range(layers):
        for part, shape in (("lora_A", [rank, width]), ("lora_B", [width, rank])):
            end = offset + 2 * rank * width
            header[f"transformer.transformer_blocks.{layer}.attn.to_q.{part}.weight"] = {
                "dtype": "F16",
                "shape": shape,
                "data_offsets": [offset, end],
            }
            offset = end
    head = json.dumps(header).encode()
    start = struct.pack("<Q", len(head)) + head
    return Upload(
        name=f"{size_bytes // MEBIBYTE} MB LoRA",
        path="/api/v1/lora/upload",
        filename="bench.safetensors",
        content_type="application/octet-stream",
        size_bytes=len(start) + offset,
        blocks=_padded(start, offset),
    )


def picture(size_bytes: int) -> Upload:
    """Write a PNG of incompressible noise, a little smaller than the size."""
    width = 2048
    height = size_bytes // (3 * width + 8)
    row = b"\0" + bytes((place * 7919 >> 3) & 0xFF for place in range(3 * width))
    packer = zlib.compressobj(0)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", pixels),
            (b"IEND", b""),
        )
    )
    return Upload(
        name=f"{size_bytes // MEBIBYTE} MB picture",
        path="/api/v1/storage/images/uploads/x.png",
        filename="x.png",
        content_type="image/png",
        size_bytes=len(content),
        blocks=(content[at : at + _BLOCK] for at in range(0, len(content), _BLOCK)),
    )


def _padded(start: bytes, zeros: int) -> Iterator[bytes]:
    yield start
    for at in range(0, zeros, _BLOCK):
        yield bytes(min(_BLOCK, zeros - at))


async def growth_mib(api: httpx.AsyncClient, gateway_pid: int, upload: Upload) -> float | None:
    """Return the peak growth of the gateway's resident memory, or None without such a route."""
    probe = await api.post(upload.path)
    if probe.status_code in {404, 405}:
        return None
    process = psutil.Process(gateway_pid)
    before = peak = process.memory_info().rss
    head, tail = _frame(upload)

    async def body() -> AsyncIterator[bytes]:
        yield head
        for block in upload.blocks:
            yield block
        yield tail

    posting = asyncio.create_task(
        api.post(
            upload.path,
            content=body(),
            headers={
                "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
                "Content-Length": str(len(head) + upload.size_bytes + len(tail)),
            },
            timeout=600,
        )
    )
    while not posting.done():
        peak = max(peak, process.memory_info().rss)
        await asyncio.wait((posting,), timeout=_SAMPLED_EVERY_S)
    (await posting).raise_for_status()
    return (peak - before) / MEBIBYTE


def _frame(upload: Upload) -> tuple[bytes, bytes]:
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; '
        f'filename="{upload.filename}"\r\nContent-Type: {upload.content_type}\r\n\r\n'
    )
    return head.encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()
