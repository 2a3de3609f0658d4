"""Imaging modalities and the intensity rule that goes with each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.core.config import from_dict, read_toml
from CrossModalSegLib.core.errors import ConfigError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Modality:
    """An imaging modality.

    Attributes:
        name: Identifier (CONTRACTS: Identifiers).
        label: Name for people.
        window_hu: Lower and upper bound in Hounsfield units, for CT; None for arbitrary units.
        percentiles: Lower and upper percentile at which arbitrary units are clipped before the
            z-score; the papers clip the top 2 % (SIFA's data) or not at all.
    """

    name: str
    label: str
    window_hu: tuple[float, float] | None = None
    percentiles: tuple[float, float] = (0.5, 99.0)

    def __post_init__(self) -> None:
        """Refuse empty windows.

        Raises:
            ConfigError: A lower bound is not below its upper bound.
        """
        for bounds in (self.window_hu, self.percentiles):
            if bounds is not None and not bounds[0] < bounds[1]:
                raise ConfigError(
                    f"Modality {self.name!r} has bounds {bounds}, expected lower < upper."
                )

    @property
    def is_ct(self) -> bool:
        """Whether intensities are Hounsfield units."""
        return self.window_hu is not None


MODALITIES: dict[str, Modality] = {
    modality.name: modality
    for modality in (
        Modality(name="t1", label="T1 MR"),
        Modality(name="t1ce", label="contrast-enhanced T1 MR"),
        Modality(name="t2", label="T2 MR"),
        Modality(name="flair", label="FLAIR MR"),
        Modality(name="ct", label="CT", window_hu=(-1000.0, 700.0)),
        Modality(name="mr_bssfp", label="bSSFP MR"),
        Modality(name="mr_t2spir", label="T2-SPIR MR"),
        Modality(name="mr_t1dual", label="T1-DUAL MR"),
    )
}


def load_modality(name_or_file: str) -> Modality:
    """Return a built-in modality by name, or a custom one from a TOML file.

    Raises:
        UnknownNameError: No such modality, and no such file.
        ConfigError: The file does not describe a modality.
    """
    if name_or_file in MODALITIES:
        return MODALITIES[name_or_file]
    if name_or_file.endswith(".toml"):
        path = Path(name_or_file)
        return from_dict(Modality, read_toml(path), str(path))
    raise UnknownNameError("modality", name_or_file, [*MODALITIES, "FILE.toml"])
