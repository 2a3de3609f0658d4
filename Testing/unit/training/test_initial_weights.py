"""ImageNet weights from a file the user supplies, from an override to the networks (DSAN, V.1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from CrossModalSegLib.core.errors import Cancelled, ConfigError, InputFileError
from CrossModalSegLib.core.events import silent_reporter
from CrossModalSegLib.networks.deeplab import ResNet50Encoder
from CrossModalSegLib.training.run_folder import RunFolder
from CrossModalSegLib.training.session import TrainingSession
from CrossModalSegLib.training.train import RunRequest, resume, train

SMALLEST = (
    "method.backbone.name=deeplab_resnet50",
    "method.critic_width=4",
    "training.batch_size=2",
)

RequestMaker = Callable[..., RunRequest]


@pytest.fixture
def request_for(cohorts: dict[str, Path], tmp_path: Path) -> RequestMaker:
    """Return a maker of requests for DSAN with weights from a file."""

    def make(pretrained: Path, *more: str) -> RunRequest:
        return RunRequest(
            method="dsan",
            preset="quick",
            source=cohorts["source"],
            target=cohorts["target"],
            run=tmp_path / "run",
            overrides=(*SMALLEST, f"method.backbone.pretrained={pretrained}", *more),
            device="cpu",
        )

    return make


@pytest.fixture
def resnet50(tmp_path: Path) -> Path:
    """Write a file as torchvision's, each weight the same quarter in memory and so small."""
    with torch.device("meta"):
        shapes = {n: v.shape for n, v in ResNet50Encoder().state_dict().items() if v.dim()}
    weights = {n: torch.full((1,), 0.25).expand(shape) for n, shape in shapes.items()}
    path = tmp_path / "resnet50.pth"
    others = {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(1000)}
    torch.save(weights | others, path)
    return path


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[TrainingSession]:
    """Return the sessions that were about to train; they stop right there."""
    sessions: list[TrainingSession] = []

    def stop(session: TrainingSession) -> None:
        sessions.append(session)
        raise Cancelled

    monkeypatch.setattr(TrainingSession, "run", stop)
    return sessions


def layers(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of layer1 to layer4 of a network as the engine wraps it."""
    return {n: w for n, w in network.named_parameters() if ".layer" in n}


def test_every_encoder_starts_from_the_file(
    request_for: RequestMaker, resnet50: Path, begun: list[TrainingSession]
) -> None:
    with pytest.raises(Cancelled):
        train(request_for(resnet50, "method.shared_encoder=false"), silent_reporter())
    networks = begun[0].engine.networks
    for name in ("encoder", "translation_encoder"):
        from_file = layers(networks[name])
        assert len(from_file) > 150
        assert all((weight == 0.25).all() for weight in from_file.values())
        stem = networks[name].get_parameter("_forward_module.conv1.weight")
        assert stem.shape == (64, 1, 7, 7)
        assert stem.std() > 0
    assert not layers(networks["decoder_t"])


def test_a_resumed_run_does_not_need_the_file_any_more(
    request_for: RequestMaker,
    resnet50: Path,
    begun: list[TrainingSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = request_for(resnet50)
    with pytest.raises(Cancelled):
        train(request, silent_reporter())
    resnet50.unlink()
    checkpoint = RunFolder(request.run).last_checkpoint
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.touch()  # one without a checkpoint begins again, from the file
    monkeypatch.setattr(TrainingSession, "resume", lambda _: None)
    with pytest.raises(Cancelled):
        resume(request.run, silent_reporter())
    assert len(begun) == 2
    kept = RunFolder(request.run).read_config()["settings"]["method"]["backbone"]["pretrained"]
    assert kept == str(resnet50)


@pytest.mark.parametrize("content", [None, b"not weights", {"layer1.0.conv1.weight": 1}])
def test_a_file_that_does_not_fit_is_refused_before_a_run_is_made(
    request_for: RequestMaker, tmp_path: Path, content: Any
) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save({name: torch.zeros(1) for name in content}, path)
    request = request_for(path)
    with pytest.raises(InputFileError, match=r"weights\.pth"):
        train(request, silent_reporter())
    assert not request.run.exists()


def test_the_small_network_takes_no_file(request_for: RequestMaker, resnet50: Path) -> None:
    with pytest.raises(ConfigError, match="Only deeplab_resnet50 takes pretrained weights"):
        train(request_for(resnet50, "method.backbone.name=unet"), silent_reporter())
