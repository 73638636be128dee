"""Checks of a pickle of tensors, before any code unpickles it.

torch's own reader (`weights_only=True`) decides; these narrower checks come before it. The two read
the same bytes by different code, so that an exploit has to pass both.
"""

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MAX_PICKLE_BYTES = 16 * 1024 * 1024
_MAX_ENTRIES = 65_536
_MAX_OPCODES = 4_000_000
_ZIP_MAGIC = b"PK\x03\x04"
_LOCAL_HEADER_BYTES = 30
_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The first bytes of torch's format before 1.6: a pickle of its magic number."""
_LEGACY_PICKLES = 5
"""The pickles of that format: magic number, version, system, the object, the storages' keys."""

_GLOBALS = frozenset(
    {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        "torch Size",
        "torch BoolStorage",
        "torch ByteStorage",
        "torch CharStorage",
        "torch ShortStorage",
        "torch IntStorage",
        "torch LongStorage",
        "torch HalfStorage",
        "torch BFloat16Storage",
        "torch FloatStorage",
        "torch DoubleStorage",
        "torch.storage UntypedStorage",
    }
)
"""All names that a dictionary of dense tensors needs."""
_REFUSED_OPCODES = frozenset(
    {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}
)
"""Further opcodes that name or create objects; torch.save writes none of them for tensors."""


class RefusedError(Exception):
    """The file is not admitted; the message gives the cause."""


def check_container(path: Path) -> bool:
    """Check the container of a file that torch.save wrote.

    Returns:
        True for a zip file, False for torch's older format.

    Raises:
        RefusedError: it is neither, or a zip file that two readers could read differently.
    """
    with path.open("rb") as file:
        start = file.read(len(_LEGACY_MAGIC))
        if start.startswith(_ZIP_MAGIC):
            check_zip(file)
            return True
        if start == _LEGACY_MAGIC:
            file.seek(0)
            for _ in range(_LEGACY_PICKLES):
                check_opcodes(file)
            return False
    raise RefusedError(
        "is not a file of torch.save: it is neither a zip file nor of torch's older format"
    )


def check_zip(file: BinaryIO) -> None:
    """Check that every reader reads a zip file alike, and check its one pickle.

    Raises:
        RefusedError: names repeat, or entries are compressed, encrypted or damaged.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            _check_layout(entries, archive)
            # All CRCs: a reader that ignores them must not read other bytes than these checks did.
            if (damaged := archive.testzip()) is not None:
                raise RefusedError(f"is a zip file whose entry {damaged[:80]!r} is damaged")
            pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
            if len(pickles) != 1 or pickles[0].filename.rpartition("/")[2] != "data.pkl":
                raise RefusedError("is a zip file without exactly one data.pkl")
            if pickles[0].file_size > MAX_PICKLE_BYTES:
                raise RefusedError(f"has a data.pkl larger than {MAX_PICKLE_BYTES} bytes")
            with archive.open(pickles[0]) as pickled:
                check_opcodes(pickled)  # pyright: ignore[reportArgumentType] -- it reads like a file
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise RefusedError(f"is a malformed zip file: {error}") from error


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MAX_ENTRIES:
        raise RefusedError(f"is a zip file of more than {_MAX_ENTRIES} entries")
    names = {entry.filename.lower() for entry in entries}
    if len(names) != len(entries):
        raise RefusedError("is a zip file that names an entry twice")
    if len({name.partition("/")[0] for name in names}) != 1:
        raise RefusedError("is a zip file of more than one folder")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise RefusedError("is a zip file with compressed entries; torch.save stores them")
        if entry.flag_bits & ~0x0808:  # sizes behind the data, names in UTF-8
            raise RefusedError("is a zip file with encrypted or otherwise flagged entries")


def _check_layout(entries: list[zipfile.ZipInfo], archive: zipfile.ZipFile) -> None:
    """Require that entries follow each other from the first byte on, then the directory."""
    free_from = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        begin = entry.header_offset
        if begin < free_from or (free_from == 0 and begin > 0):
            raise RefusedError("is a zip file whose entries overlap or do not begin it")
        free_from = begin + _LOCAL_HEADER_BYTES + len(entry.filename) + entry.compress_size
    if archive.start_dir < free_from or archive.comment:
        raise RefusedError("is a zip file whose directory overlaps its entries, or has a comment")


def check_opcodes(pickled: BinaryIO) -> None:
    """Check that a pickle names nothing but parts of tensors; reads to its end.

    Raises:
        RefusedError: it names something else, or is no pickle.
    """
    try:
        for index, (name, argument) in enumerate(_opcodes(pickled)):
            if index > _MAX_OPCODES:
                raise RefusedError("has a pickle that is too long")
            if name in _REFUSED_OPCODES:
                raise RefusedError(f"has a pickle with the opcode {name}; tensors need none")
            if name == "GLOBAL" and argument not in _GLOBALS:
                raise RefusedError(f"has a pickle that names {_shown(argument)}; tensors do not")
    except RefusedError:
        raise
    except Exception as error:
        raise RefusedError("holds a malformed pickle") from error


def _opcodes(pickled: BinaryIO) -> Iterator[tuple[str, object]]:
    for opcode, argument, _ in pickletools.genops(pickled):
        yield opcode.name, argument


def _shown(argument: object) -> str:
    return ascii(str(argument).replace(" ", ".", 1)[:80])
