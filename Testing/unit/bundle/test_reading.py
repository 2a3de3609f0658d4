"""Reading bundles: strict, bounded, without torch."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.packing import copy_bundle
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.core.errors import BundleError

CONFIG = "configs/config.json"
WEIGHTS = "models/model.safetensors"


def edit_json(bundle: Bundle, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    path = bundle.path / name
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_folder_and_zip_read_the_same(tmp_path: Path, bundle: Bundle) -> None:
    copy_bundle(bundle, tmp_path / "packed.zip")
    packed = read_bundle(tmp_path / "packed.zip")
    assert packed.config == bundle.config
    assert packed.metadata == bundle.metadata
    assert packed.read_weights() == bundle.read_weights()
    assert packed.content_hash == bundle.content_hash
    assert packed.num_bytes == bundle.num_bytes


def test_the_hash_changes_with_the_weights(bundle: Bundle) -> None:
    before = bundle.content_hash
    path = bundle.path / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert read_bundle(bundle.path).content_hash != before


def test_reading_imports_neither_torch_nor_monai(bundle: Bundle) -> None:
    code = (
        "import sys\n"
        "from CrossModalSegLib.bundle.library import ModelLibrary\n"
        "from CrossModalSegLib.bundle.reading import read_bundle\n"
        "bundle = read_bundle(sys.argv[1])\n"
        "assert bundle.content_hash and bundle.config.task.name == 'cardiac'\n"
        "heavy = {'torch', 'monai', 'safetensors', 'SimpleITK', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle.path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(surprise=1), "unknown key 'surprise'"),
        (lambda c: c.update(method=3), r"method is 3 \(int\), expected str"),
        (lambda c: c.pop("task"), "lacks 'task'"),
        (lambda c: c.update(v=2), "version 2, expected 1"),
        (lambda c: c.pop("v"), "version None, expected 1"),
        (lambda c: c.update(name="../x"), "not a name"),
        (lambda c: c["task"].update(slicing="round"), "round"),
        (lambda c: c["preprocessing"].update(matrix=[0, 16]), "matrix"),
        (lambda c: c["method_settings"].update(num_classes=10**9), "num_classes"),
        (
            lambda c: c["method_settings"]["backbone"].update(pretrained="/x.pth"),
            "outside the bundle",
        ),
    ],
)
def test_a_configuration_that_is_not_ours_is_refused(
    bundle: Bundle, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit_json(bundle, CONFIG, change)
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(bundle.path)
    assert CONFIG in caught.value.message
    assert caught.value.hint


def test_unknown_metadata_is_refused(bundle: Bundle) -> None:
    edit_json(bundle, "configs/metadata.json", lambda c: c.update(surprise=1))
    with pytest.raises(BundleError, match="surprise"):
        read_bundle(bundle.path)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"v": NaN}', b'{"v": 1, "a": [1e999]}', b"\xff\xfe", b"[" * 99999]
)
def test_what_is_no_json_object_is_refused(bundle: Bundle, text: bytes) -> None:
    (bundle.path / CONFIG).write_bytes(text)
    with pytest.raises(BundleError):
        read_bundle(bundle.path)


def test_a_pickle_under_another_name_is_refused_unread(bundle: Bundle, tmp_path: Path) -> None:
    for content in (_torch_file(tmp_path), pickle.dumps({"a": 1})):
        (bundle.path / WEIGHTS).write_bytes(content)
        with pytest.raises(BundleError, match="can run code"):
            read_bundle(bundle.path)


def _torch_file(folder: Path) -> bytes:
    torch.save({"a": torch.zeros(3)}, folder / "a.pt")
    return (folder / "a.pt").read_bytes()


@pytest.mark.parametrize("kept", [0, 7, 8, 100, -1])
def test_truncated_weights_are_refused(bundle: Bundle, kept: int) -> None:
    path = bundle.path / WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BundleError, match="damaged"):
        read_bundle(bundle.path)


def test_bytes_after_the_weights_are_refused(bundle: Bundle) -> None:
    path = bundle.path / WEIGHTS
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(BundleError, match="bytes, expected"):
        read_bundle(bundle.path)


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"[1]",
        b'{"a": 1}',
        b'{"a": {"data_offsets": []}}',
        b'{"a": {}}',
        b'{"a": {"data_offsets": [0, 1e999]}}',
        b"[" * 99_999,
    ],
)
def test_a_weights_header_that_makes_no_sense_is_refused(bundle: Bundle, header: bytes) -> None:
    (bundle.path / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(BundleError, match="no readable header"):
        read_bundle(bundle.path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_damage_leads_to_anything_but_a_bundle_error(
    tmp_path: Path, bundle: Bundle, data: st.DataObject
) -> None:
    original = tmp_path / "original.zip"
    if not original.exists():
        copy_bundle(bundle, original)
    content = bytearray(original.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # Half of the damage hits the end, where a zip has its table of contents.
        lowest = data.draw(st.sampled_from([0, max(0, len(content) - 700)]))
        content[data.draw(st.integers(lowest, len(content) - 1))] = data.draw(st.integers(0, 255))
    kept = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder, suppress(BundleError):
        path = Path(folder) / "damaged.zip"
        path.write_bytes(content[:kept])
        load_method(read_bundle(path))


def test_a_bundle_that_is_gone_when_it_is_loaded_is_an_error(bundle: Bundle) -> None:
    shutil.rmtree(bundle.path)
    with pytest.raises(BundleError, match="cannot be read"):
        load_method(bundle)
