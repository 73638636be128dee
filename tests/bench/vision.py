"""Cut-outs through our whole path against rembg's own HTTP server: `make bench-vision`.

Both cut out the same picture of 512² pixels with the same u2netp file, alternating in one run. Ours
is a BACKGROUND_REMOVE from its POST, with the picture inside, to the bytes of the cut-out, through
gateway, records, Temporal, worker and S3. Postgres notifies the benchmark of a task's end at
commit, so that no polling is measured. Theirs is a POST that returns the cut-out and stores
nothing.

Memory is the largest sample of the process that cuts out while twelve requests are open; ours also
holds the packaged diffusion model. Exits 1 where a goal is missed.
"""

import asyncio
import base64
import io
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
from goals import Goal, conclude
from overhead import ORIGIN, Ours, connected, console, cpu_s
from PIL import Image
from skimage.data import astronaut

from inference_worker.vision.weights import ModelFile, Weights
from local_stack.ports import choose_ports
from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack

PAIRS, PACE_S = 20, 0.2
AT_ONCE, ROUND_PICTURES, ROUNDS = 12, 24, 3
WORKER = "inference-worker"
MIB = 2**20

Cut = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: ours or rembg.
        cut: the function that cuts the picture out.
        pids: its processes, beginning with the one that cuts out.
    """

    name: str
    cut: Cut
    pids: dict[str, int]

    @property
    def rss_mib(self) -> float:
        """The resident memory of the process that cuts out and its children, in MiB."""
        process = psutil.Process(next(iter(self.pids.values())))
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / MIB


def picture() -> bytes:
    """Return a picture of 512² pixels as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(astronaut()).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def our_cut(ours: Ours, content: bytes) -> Cut:
    """Return a function that runs a task and fetches its result."""
    data_url = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
    body = {"task_type": "BACKGROUND_REMOVE", "input_image_paths": [data_url]} | ORIGIN

    async def cut() -> bytes:
        task_id = await ours.completed("/api/v1/tasks/", body)
        # The attempt and the index are known, so the record need not be read.
        path = f"background_removals/{task_id}/a1/image_0.png"
        answer = await ours.http.get(f"/api/v1/storage/images/{path}")
        return answer.raise_for_status().content

    return cut


@asynccontextmanager
async def rembg_server(command: str, content: bytes) -> AsyncGenerator[Side]:
    """Start rembg's server, without its page, and warm it up with one picture."""
    with tempfile.TemporaryDirectory(prefix="sartiq-bench-rembg-") as folder:
        port = choose_ports(LocalSettings(state_dir=Path(folder, "ports"))).gateway
        Path(folder, "u2netp.onnx").symlink_to(Weights(None).file(ModelFile.U2NETP))
        server = await asyncio.create_subprocess_exec(
            *(command, "s", "--host", "127.0.0.1", "--port", str(port), "--no-ui"),
            *("--log_level", "error"),
            env=os.environ | {"U2NET_HOME": folder, "BROWSER": "true"},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as http:

                async def cut() -> bytes:
                    files = {"file": ("picture.jpg", content, "image/jpeg")}
                    answer = await http.post("/api/remove", data={"model": "u2netp"}, files=files)
                    return answer.raise_for_status().content

                await _until_up(cut, server)
                yield Side("rembg", cut, {"rembg": server.pid})
        finally:
            if server.returncode is None:
                server.terminate()
            await server.wait()


async def _until_up(cut: Cut, server: asyncio.subprocess.Process) -> None:
    while True:
        try:
            await cut()
        except httpx.TransportError:
            assert server.returncode is None, f"rembg's server exited with {server.returncode}"
            await asyncio.sleep(0.2)
        else:
            return


async def one_at_a_time(sides: list[Side]) -> dict[str, float]:
    """Compare the median milliseconds of a picture on idle servers, alternating."""
    samples: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(PAIRS):
        for side in sides:
            begun_s = time.perf_counter()
            await side.cut()
            samples[side.name].append(1000 * (time.perf_counter() - begun_s))
            await asyncio.sleep(PACE_S)
    for name, values in samples.items():
        spread = f"{min(values):.0f} to {max(values):.0f}"
        console.print(f"{name:<6} p50 {statistics.median(values):5.0f} ms ({spread})")
    return {name: statistics.median(values) for name, values in samples.items()}


async def many_at_once(sides: list[Side]) -> tuple[dict[str, float], dict[str, float]]:
    """Compare pictures a second with twelve at once, by medians of alternating rounds.

    Also returns the peak memory of each in MiB.
    """
    rates: dict[str, list[float]] = {side.name: [] for side in sides}
    most_mib = {side.name: 0.0 for side in sides}
    for _ in range(ROUNDS):
        for side in sides:
            before = cpu_s(side.pids)
            with watched(side, most_mib):
                rates[side.name].append(await per_second(side.cut))
            used = {name: s - before[name] for name, s in cpu_s(side.pids).items()}
            shown = ", ".join(
                f"{name} {1000 * s / ROUND_PICTURES:.0f}"
                for name, s in used.items()
                if s > 0.002 * ROUND_PICTURES
            )
            total = 1000 * sum(used.values()) / ROUND_PICTURES
            rate = rates[side.name][-1]
            console.print(f"{side.name:<6} {rate:5.2f}/s   CPU ms a picture {total:.0f}: {shown}")
    return {name: statistics.median(values) for name, values in rates.items()}, most_mib


async def per_second(cut: Cut) -> float:
    """Return the pictures a second with `AT_ONCE` at any time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with slots:
            await cut()

    begun_s = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(ROUND_PICTURES)))
    return ROUND_PICTURES / (time.perf_counter() - begun_s)


@contextmanager
def watched(side: Side, most_mib: dict[str, float]) -> Iterator[None]:
    """Record the peak memory of a side, sampled on a thread of its own."""
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.1):
            most_mib[side.name] = max(most_mib[side.name], side.rss_mib)

    sampling = threading.Thread(target=sample)
    sampling.start()
    try:
        yield
    finally:
        done.set()
        sampling.join()


async def check_alike(sides: list[Side]) -> None:
    """Assert that both cut out the same subject."""
    first, second = [
        np.asarray(Image.open(io.BytesIO(await side.cut())))[..., 3] >= 128 for side in sides
    ]
    overlap = (first & second).sum() / (first | second).sum()
    console.print(f"cut-outs: IoU {overlap:.3f}")
    assert overlap > 0.95, "the two do not cut out the same"


async def measure(sides: list[Side]) -> list[Goal]:
    """Run every measurement."""
    await check_alike(sides)
    p50 = await one_at_a_time(sides)
    rates, most_mib = await many_at_once(sides)
    console.print("peak memory: " + ", ".join(f"{n} {mib:.0f} MiB" for n, mib in most_mib.items()))
    rate = rates["ours"] / rates["rembg"]
    gb = most_mib["ours"] * MIB / 1e9
    return [
        Goal(f"pictures/s, {AT_ONCE} at once, ours / rembg", rate, 0.9, is_at_most=False),
        Goal("p50 one at a time, ours / rembg", p50["ours"] / p50["rembg"], 1.4, is_at_most=True),
        Goal("memory of the worker", gb, 1.2, is_at_most=True, unit="GB"),
    ]


async def main(command: str) -> int:
    """Start both, measure, and return the exit status."""
    content = picture()
    with tempfile.TemporaryDirectory(prefix="sartiq-bench-") as folder:
        async with LocalStack(LocalSettings(state_dir=Path(folder))) as stack:

            async def work() -> list[Goal]:
                async with connected(stack) as (_, ours), rembg_server(command, content) as theirs:
                    pids = {WORKER: stack.pids[WORKER], **stack.pids}
                    return await measure([Side("ours", our_cut(ours, content), pids), theirs])

            goals = await stack.guard(work())
    return conclude(console, goals)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
