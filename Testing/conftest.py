"""Settings of every test: shapes and types are checked, few threads, no windows."""

from __future__ import annotations

import os

# Before anything imports torch or matplotlib: several tests share the processors of one machine.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "2")
os.environ["MPLBACKEND"] = "Agg"

import jaxtyping

# Where tensors and arrays are computed with. Modules that read what people write are left out:
# their tests hand them wrong types on purpose, to see the library's own message.
CHECKED = (
    "core.geometry",
    "core.tensors",
    "core.volume",
    "data.augmentation",
    "data.intensity",
    "data.preprocessing",
    "data.resampling",
    "data.sampling",
    "data.through_plane",
    "inference",
    "losses",
    "methods",
    "metrics",
    "networks",
    "training",
)

# By PEP 484's numeric tower an int is good where a float is asked for, as it is for mypy.
jaxtyping.install_import_hook(
    [f"CrossModalSegLib.{module}" for module in CHECKED],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)
