"""Opening DICOM files with pydicom, with errors that people understand.

Images are read by SimpleITK where it can (`data.dicom_reading`); this is for everything else.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from CrossModalSegLib.core.errors import InputFileError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_MAGIC_AT, _MAGIC = 128, b"DICM"
_MALFORMED = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom raises where attributes are missing, or are not what the standard says."""


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM, by its content.

    Raises:
        InputFileError: It may not be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] == _MAGIC
    except PermissionError as error:
        raise InputFileError(
            f"{path} cannot be read: {error.strerror}.", hint="Give yourself leave to read it."
        ) from error
    except OSError:
        return False


def sop_class(path: Path) -> str:
    """Return the UID of what kind of object a DICOM file is; "" if it does not say."""
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    try:
        return str(read_file_meta_info(path).get("MediaStorageSOPClassUID", ""))
    except (*_MALFORMED, InvalidDicomError):
        return ""


def object_name(path: Path) -> str:
    """Return what a DICOM file is that is no image; "" for images and what is not known."""
    name = uid_name(sop_class(path))
    is_image = "Image Storage" in name or "Storage" not in name
    return "" if is_image else name.removesuffix(" Storage")


def uid_name(uid: str) -> str:
    """Return a UID in words, or itself where it is not in the standard."""
    from pydicom.uid import UID

    return UID(uid).name or uid


@contextmanager
def dicom_dataset(path: Path, *, has_pixels: bool = False) -> Iterator[Dataset]:
    """Yield a file's attributes; whatever is malformed in them is an error that names the file.

    Args:
        path: The file.
        has_pixels: Whether its pixels are needed, too.

    Raises:
        InputFileError: The file is no DICOM, damaged, or lacks what is asked for in the block.
    """
    from pydicom import config, dcmread
    from pydicom.errors import InvalidDicomError

    with config.disable_value_validation():
        try:
            yield dcmread(path, stop_before_pixels=not has_pixels)
        except (*_MALFORMED, InvalidDicomError) as error:
            raise InputFileError(
                f"{path} cannot be understood as DICOM: {_reason(error)}.",
                hint="Export it again, or convert it with another program.",
            ) from error


def first(dataset: Dataset, name: str) -> Dataset | None:
    """Return the first item of a sequence; None if it is absent or empty."""
    items = dataset.get(name)
    return items[0] if items else None


def frame_item(dataset: Dataset, frame: int, name: str) -> Dataset:
    """Return the item of a functional group of a frame: its own, or that of all frames.

    Raises:
        AttributeError: There is none.
    """
    own = dataset.PerFrameFunctionalGroupsSequence[frame]
    shared = first(dataset, "SharedFunctionalGroupsSequence")
    item = first(own, name) or (first(shared, name) if shared is not None else None)
    if item is None:
        raise AttributeError(f"frame {frame + 1} has no {name}")
    return item


def read_frames(path: Path, frames: list[int]) -> Iterator[Any]:
    """Yield the stored pixels (row, column) of some frames, one at a time.

    The file as it is stored is in memory meanwhile: only then is a truncated one noticed. Frames
    that begin within a byte are all decoded at once.

    Raises:
        InputFileError: They are damaged, or compressed in a way that is not known here.
    """
    from pydicom import config, dcmread
    from pydicom.pixels.decoders.base import get_decoder

    require_known_compression(path)
    with config.disable_value_validation():
        try:
            dataset = dcmread(path)
            if dataset.BitsAllocated == 1 and dataset.Rows * dataset.Columns % 8:
                every = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
                yield from (every[frame] for frame in frames)
            else:
                decoder = get_decoder(transfer_syntax(path))
                yield from (array for array, _ in decoder.iter_array(dataset, indices=frames))
        except _MALFORMED as error:
            raise InputFileError(
                f"{path}: its pixels cannot be read: {_reason(error)}.",
                hint="Export or download the file again.",
            ) from error


def require_known_compression(path: Path) -> None:
    """Refuse pixels that are compressed in a way for which there is no decoder.

    Raises:
        InputFileError: See above; it names the way.
    """
    from pydicom.pixels.decoders.base import get_decoder

    uid = transfer_syntax(path)
    try:
        is_known = get_decoder(uid).is_available
    except NotImplementedError:
        is_known = False
    if not is_known:
        raise unknown_compression(path, uid)


def transfer_syntax(path: Path) -> str:
    """Return the UID of how a file is encoded; "" if it does not say."""
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    try:
        return str(read_file_meta_info(path).get("TransferSyntaxUID", ""))
    except (*_MALFORMED, InvalidDicomError):
        return ""


def unknown_compression(path: Path, uid: str) -> InputFileError:
    """Return the error for pixels that are compressed in a way that is not known here."""
    return InputFileError(
        f"{path} is encoded as {uid_name(uid) or 'something unnamed'}, which is not known here.",
        hint="Export it without compression (Explicit VR Little Endian), or convert it, e.g. by "
        "gdcmconv --raw.",
    )


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.rstrip(".")
