"""What is asked of the trainer."""

from __future__ import annotations

from pathlib import Path

import pytest

from CrossModalSegLib.bridge.training.method_info import MethodInfo
from CrossModalSegLib.bridge.training.training_request import (
    TrainingRequest,
    reason_not_to_start,
    request_of_config,
    require_name,
    suggested_name,
)
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.cli.main import read_command
from CrossModalSegLib.cli.train import Train
from CrossModalSegLib.core.errors import ConfigError, RunError

REQUEST = TrainingRequest(
    task="cardiac",
    method="dsan",
    preset="quick",
    source=Path("cohorts") / "my ct",
    target=Path("cohorts") / "mr",
    overrides={"method.lambda_adv": 0.1, "method.betas": [0.5, 0.9], "method.adversarial": "x=y"},
    device="cpu",
)


def test_the_command_line_reads_what_was_asked_for() -> None:
    command = read_command(REQUEST.options(Path("runs") / "one"))
    assert isinstance(command, Train)
    assert (command.method, command.preset, command.device) == ("dsan", "quick", "cpu")
    assert (command.source, command.target) == (REQUEST.source, REQUEST.target)
    assert command.run_folder == Path("runs") / "one"
    assert command.override == (
        "method.lambda_adv=0.1",
        "method.betas=[0.5, 0.9]",
        'method.adversarial="x=y"',
    )


def test_a_run_can_be_asked_for_again() -> None:
    config = {
        "task": {"name": "cardiac"},
        "method": "dsan",
        "preset": "quick",
        "overrides": list(read_command(REQUEST.options(Path("run"))).override),  # type: ignore[attr-defined]
        "cohorts": {"source": {"path": str(REQUEST.source)}, "target": {"path": "cohorts/mr"}},
        "device": "cpu",
    }
    assert request_of_config(config) == REQUEST
    with pytest.raises(ConfigError, match=r"config\.json"):
        request_of_config({"task": "cardiac"})


def test_names_say_what_is_trained() -> None:
    assert suggested_name("cardiac", ("ct", "mr_bssfp"), "dsan") == "cardiac_ct_to_mr_bssfp_dsan"
    assert suggested_name("/data/My Task.toml", ("ct", ""), "bigl") == "my-task_ct_bigl"


def test_a_name_that_is_taken_or_none_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (workspace.runs / "mole").mkdir(parents=True)
    require_name("adder", workspace)
    with pytest.raises(RunError, match="mole-2"):
        require_name("mole", workspace)
    with pytest.raises(RunError, match="'my-run' would be free"):
        require_name("My Run", workspace)


def test_the_first_reason_is_told() -> None:
    method = MethodInfo(
        name="dsan",
        title="DSAN",
        description="",
        reference="",
        uses_target=True,
        takes_several_images=False,
        presets=(),
        settings=(),
    )

    def reason(data: str = "", methods: tuple[MethodInfo, ...] = (method,), **more: str) -> str:
        words = {"method": "dsan", "wrong_setting": "", **more}
        return reason_not_to_start(reason_of_data=data, methods=methods, **words)

    assert reason() == ""
    assert reason("No target.") == "No target."
    assert "asked for" in reason(methods=())
    assert reason(method="") == "Choose a method."
    assert reason(wrong_setting="batch_size is 0.") == "batch_size is 0."
