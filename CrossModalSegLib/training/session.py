"""One training run from cohorts to a bundle: draw, step, report, validate, save, obey."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from CrossModalSegLib.core.errors import Cancelled, RunError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.tensors import Losses
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.sampling import UnpairedSampler
from CrossModalSegLib.training.checkpoints import load_checkpoint, save_checkpoint
from CrossModalSegLib.training.engine import Engine
from CrossModalSegLib.training.memory_use import memory_use
from CrossModalSegLib.training.previews import draw_preview, preview_rows
from CrossModalSegLib.training.run_folder import Request, RunFolder, wait_while_paused
from CrossModalSegLib.training.selection import LabelFreeScore, label_free_score
from CrossModalSegLib.training.settings import TrainingSettings
from CrossModalSegLib.training.slices import fixed_slices

REQUEST_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class RunInputs:
    """What a session trains on."""

    task: Task
    source: Cohort
    target: Cohort
    """Unlabelled as far as training is concerned; the source itself for `supervised`."""
    seed: int


class TrainingSession:
    """Drives an `Engine` over its stages and keeps the run folder up to date."""

    def __init__(
        self, engine: Engine, inputs: RunInputs, folder: RunFolder, reporter: Reporter
    ) -> None:
        self.engine, self.inputs, self.folder, self.reporter = engine, inputs, folder, reporter
        self.settings: TrainingSettings = engine.settings
        rank = engine.fabric.global_rank
        self.sampler = UnpairedSampler(
            inputs.source,
            inputs.target,
            batch_size=self.settings.batch_size,
            seed=inputs.seed + 7919 * rank,
            augment=self.settings.spatial,
            balance=self.settings.balance,
        )
        torch.manual_seed(inputs.seed + 104729 * rank)
        self.validation = fixed_slices(
            inputs.source, inputs.target if engine.method.uses_target else None
        )
        self.best: LabelFreeScore | None = None
        self.best_step = 0
        self._sums: dict[str, Tensor] = {}
        self._last_poll = 0.0

    def run(self) -> None:
        """Train to the end of the last stage.

        Raises:
            Cancelled: The user asked to stop; the state is in the last checkpoint.
            RunError: A loss is no longer a finite number.
        """
        self._announce()
        while not self.engine.is_finished:
            self._obey()
            losses = self.engine.run_iteration(self.sampler.next())
            self._log(losses)
            self._housekeep()

    def resume(self) -> None:
        """Continue from the last checkpoint of the folder.

        Raises:
            RunError: There is none, or it was made by another number of processes.
        """
        state = load_checkpoint(self.folder.last_checkpoint)
        ranks = state["ranks"]
        if len(ranks) != self.engine.fabric.world_size:
            raise RunError(
                f"The run was trained by {len(ranks)} processes, not by "
                f"{self.engine.fabric.world_size}.",
                hint="Resume it with the same number.",
            )
        own = ranks[self.engine.fabric.global_rank]
        self.engine.load_state_dict(state["engine"])
        self.sampler.load_state_dict(own["sampler"])
        torch.set_rng_state(own["random"])
        if own["random_cuda"] is not None:
            torch.cuda.set_rng_state(own["random_cuda"])
        self._sums = dict(own["sums"])
        if state["best"] is not None:
            self.best, self.best_step = LabelFreeScore(*state["best"]), state["best_step"]

    def deployed_weights(self) -> dict[str, Tensor]:
        """Return the weights of the chosen model: the best by the label-free score."""
        model = self.engine.deployed_model()
        if self.best is None:
            return model.state_dict()
        weights: dict[str, Tensor] = load_checkpoint(self.folder.best_checkpoint)["deployed"]
        return weights

    def _announce(self) -> None:
        for stage in self.engine.stages:
            self.reporter.stage(stage.name, stage.iterations)
        done = self.engine.step_count
        self.reporter.stage("train", self.engine.total_steps, done=done)

    def _obey(self) -> None:
        """Stop or wait if the control file, a signal or the caller asks for it."""
        request = self._request()
        if request == "pause":
            self._save()
            self.reporter.stage("paused")
            request = self._agree(wait_while_paused(self.folder, self.reporter.cancel))
            self._announce()
        if request == "cancel":
            self._save()
            raise Cancelled

    def _request(self) -> Request | None:
        """Return what the run is asked to do; the same in all processes, at the same iteration."""
        if self.reporter.cancel.is_set() and self.engine.fabric.world_size == 1:
            return "cancel"
        if self.engine.fabric.world_size > 1:
            is_time = self.engine.step_count % self.settings.log_every == 0
            return self._agree(self.folder.read_request()) if is_time else None
        now = time.monotonic()
        if now - self._last_poll < REQUEST_POLL_SECONDS:
            return None
        self._last_poll = now
        return self.folder.read_request()

    def _agree(self, request: Request | None) -> Request | None:
        """Return the first process's request, a cancel by signal included."""
        own: Request | None = "cancel" if self.reporter.cancel.is_set() else request
        agreed: Request | None = self.engine.fabric.broadcast(own, src=0)
        return agreed

    def _log(self, losses: Losses) -> None:
        """Add up the losses; write their means now and then."""
        for name, loss in losses.items():
            self._sums[name] = loss.detach() + self._sums.get(name, 0)
        engine = self.engine
        step, every = engine.step_count, self.settings.log_every
        if step % every and not engine.is_finished:
            return
        count = step % every or every
        means = {name: total.item() / count for name, total in self._sums.items()}
        self._sums = {}
        diverged = [name for name, value in means.items() if not math.isfinite(value)]
        if diverged:
            raise RunError(
                f"The loss {diverged[0]!r} is not a number at iteration {step}.",
                hint="Resume from the last checkpoint with a lower learning rate or in float32.",
            )
        self.reporter.metrics(step, means | memory_use(engine.fabric.device))
        self.reporter.progress("train", step, engine.total_steps)

    def _housekeep(self) -> None:
        """Validate, draw and save when it is time."""
        engine, settings = self.engine, self.settings
        step, is_last = engine.step_count, engine.is_finished
        if (step % settings.validate_every == 0 or is_last) and engine.trains_deployed:
            self._validate()
        if step % settings.preview_every == 0 or is_last:
            self._preview()
        if step % settings.checkpoint_every == 0 or is_last:
            self._save()

    def _validate(self) -> None:
        """Score the model without target labels and keep it if it is the best so far."""
        engine = self.engine
        model = engine.deployed_model()
        engine.method.eval()
        score = label_free_score(
            model,
            self.validation,
            engine.autocast,
            2 * self.settings.batch_size,
            engine.method.learned_view,
        )
        self.reporter.metrics(engine.step_count, score.as_metrics())
        if self.best is None or score.total >= self.best.total:
            self.best, self.best_step = score, engine.step_count
            if engine.fabric.is_global_zero:
                state = {"deployed": model.state_dict(), "step": self.best_step}
                save_checkpoint(self.folder.best_checkpoint, state)

    def _preview(self) -> None:
        engine = self.engine
        if not engine.fabric.is_global_zero:
            return
        slices = self.validation.preview(engine.fabric.device)
        rows = preview_rows(engine.method, engine.deployed_model(), slices, engine.autocast)
        path = self.folder.previews / f"{engine.step_count:06d}.png"
        caption = f"{engine.method.title}, iteration {engine.step_count}"
        draw_preview(rows, self.inputs.task, caption, path)
        self.reporter.preview(path, caption)

    def _save(self) -> None:
        """Write the complete state; every process adds its own part."""
        engine = self.engine
        own = {
            "sampler": self.sampler.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
            "sums": self._sums,
        }
        ranks = _gather(own, engine.fabric.world_size)
        if engine.fabric.is_global_zero:
            best = self.best and (self.best.source_dice, self.best.pseudo_label_loss)
            state: dict[str, Any] = {
                "engine": engine.state_dict(),
                "ranks": ranks,
                "best": best,
                "best_step": self.best_step,
            }
            save_checkpoint(self.folder.last_checkpoint, state)


def _gather(own: dict[str, Any], world_size: int) -> list[dict[str, Any]]:
    if world_size == 1:
        return [own]
    ranks: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(ranks, own)
    return ranks
