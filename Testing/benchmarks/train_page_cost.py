"""What it costs to train from the Train page instead of from a shell.

    python Testing/benchmarks/train_page_cost.py --pairs 5 --iterations 80

The same training runs alternately as `crossmodalseg train` and from the page, which follows it all
the while: progress, curves, pictures, memory and log. The page is drawn without a screen; Slicer's
own views are not part of it. Time is that of the run's journal, from its first entry to its last,
so that only what goes on while something is trained counts, not the start of processes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.bridge.training.workspace import Workspace  # noqa: E402
from Testing.scene.harness.interaction import process_events  # noqa: E402
from Testing.scene.harness.session import slicer_application  # noqa: E402
from Testing.scene.open_train_page import OpenTrainPage  # noqa: E402
from Testing.scene.phantom_cohorts import (  # noqa: E402
    MODALITIES,
    cohort_name,
    make_cohorts,
    run_command,
)

SECONDS_PER_LOOK = 1.0
"""At most so often this program, too, disturbs the training."""

METHOD, METHOD_LABEL, PRESET = "dsan", "DSAN", "quick"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print each pair and the median of the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=80)
    parser.add_argument("--subjects", type=int, default=6, help="phantoms of each modality")
    options = parser.parse_args(arguments)
    settings = {
        "method.iterations": str(options.iterations),
        "method.warm_up_iterations": str(options.iterations // 4),
        "training.validate_every": str(max(1, options.iterations // 4)),
        "training.preview_every": str(max(1, options.iterations // 4)),
        "training.log_every": "2",
    }
    ratios = []
    with tempfile.TemporaryDirectory(prefix="crossmodalseg-cost-") as name:
        workspace = Workspace(Path(name) / "training")
        make_cohorts(workspace.cohorts, options.subjects)
        for pair in range(options.pairs):
            seconds = {}
            for place in ("shell", "page") if pair % 2 == 0 else ("page", "shell"):
                run = f"{place}-{pair}"
                if place == "shell":
                    train_in_shell(workspace, run, settings)
                else:
                    train_in_page(workspace, run, settings)
                seconds[place] = journal_seconds(workspace.runs / run)
            ratios.append(seconds["page"] / seconds["shell"])
            sys.stdout.write(
                f"pair {pair}: shell {seconds['shell']:.1f} s, page {seconds['page']:.1f} s, "
                f"ratio {ratios[-1]:.3f}\n"
            )
            sys.stdout.flush()
    sys.stdout.write(f"median ratio of {len(ratios)} pairs: {median(ratios):.3f}\n")


def train_in_shell(workspace: Workspace, run: str, settings: dict[str, str]) -> None:
    """Train as a user does who types the command."""
    overrides = [text for pair in settings.items() for text in ("--override", "=".join(pair))]
    cohorts = [
        text
        for role, modality in MODALITIES.items()
        for text in (f"--{role}", str(workspace.cohorts / cohort_name(modality)))
    ]
    choice = ["--method", METHOD, "--preset", PRESET, "--run", str(workspace.runs / run)]
    run_command("train", *choice, *cohorts, *overrides)


def train_in_page(workspace: Workspace, run: str, settings: dict[str, str]) -> None:
    """Train as a user does who clicks, and follow the training to its end."""
    with slicer_application():
        page = OpenTrainPage(workspace)
        page.choose_data(*(cohort_name(modality) for modality in MODALITIES.values()))
        page.choose_method(METHOD_LABEL, settings)
        page.start(run)
        while page.page.progress.is_active:
            process_events(SECONDS_PER_LOOK)
        page.wait_for("finished")
        page.close()


def journal_seconds(run: Path) -> float:
    """Return the time between the first and the last event of a run."""
    lines = (run / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    first, last = (json.loads(lines[index]) for index in (0, -1))
    return float(last["time"] - first["time"])


if __name__ == "__main__":
    main()
