"""How a method is trained: devices, precision, processes, updates, averaging.

The only file that imports Lightning Fabric. The method decides what is updated and in which order;
`Engine.update` decides how.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor
from torch.optim import Optimizer

from CrossModalSegLib.core.errors import RunError
from CrossModalSegLib.core.tensors import Losses, Scalar, UnpairedBatch
from CrossModalSegLib.methods.base import Method, Stage
from CrossModalSegLib.networks.devices import choose_precision, resolve_device
from CrossModalSegLib.networks.recomputation import recompute_activations
from CrossModalSegLib.training.settings import TrainingSettings


class Engine:
    """Runs the stages of a method on one or several processes.

    Each network is wrapped on its own. Under several processes gradients are averaged in `update`
    by one all-reduce, not by DDP's hooks: a GAN's networks are frozen, skipped and used several
    times in one iteration, which those hooks do not allow. Batch statistics stay each process's
    own; the first process's are saved.

    Args:
        method: Freshly built; its networks are moved and wrapped in place.
        settings: Precision, averaging, clipping.
        device: "auto", "cuda", "mps" or "cpu".
    """

    def __init__(self, method: Method, settings: TrainingSettings, device: str = "auto") -> None:
        self.settings = settings
        self.fabric = launch_fabric(settings, device)
        self._averaged = _deployed_copy(method).to(self.fabric.device)
        self.networks: dict[str, _FabricModule] = {}
        for name, network in list(method.named_children()):
            if any(True for _ in network.parameters()):
                if settings.recompute:
                    recompute_activations(network)
                self.networks[name] = self.fabric.setup_module(network)
                setattr(method, name, self.networks[name])
        self.method = method
        self.stages = method.stages()
        self.stage_index = 0
        self.iteration = 0
        """Iterations done in the present stage."""
        self._optimizers: dict[str, Optimizer] = {}
        self.begin_stage(0)

    @property
    def stage(self) -> Stage:
        """The present stage."""
        return self.stages[self.stage_index]

    @property
    def step_count(self) -> int:
        """Iterations done in all stages."""
        return sum(s.iterations for s in self.stages[: self.stage_index]) + self.iteration

    @property
    def total_steps(self) -> int:
        """Iterations of all stages."""
        return sum(stage.iterations for stage in self.stages)

    @property
    def is_finished(self) -> bool:
        """Whether every stage is done."""
        is_last = self.stage_index == len(self.stages) - 1
        return is_last and self.iteration >= self.stage.iterations

    @property
    def trains_deployed(self) -> bool:
        """Whether the present stage moves a network that prediction needs."""
        deployed = {
            id(weight)
            for name in self.method.deployed
            for weight in self.method.get_submodule(name).parameters()
        }
        return any(
            id(weight) in deployed
            for optimizer in self.stage.optimizers.values()
            for group in optimizer.param_groups
            for weight in group["params"]
        )

    def begin_stage(self, index: int, *, is_resumed: bool = False) -> None:
        """Enter a stage."""
        self.stage_index, self.iteration = index, 0
        stage = self.stages[index]
        self._optimizers = {
            name: cast("Optimizer", self.fabric.setup_optimizers(optimizer))
            for name, optimizer in stage.optimizers.items()
        }
        if stage.begin and not is_resumed:
            stage.begin()

    def run_iteration(self, batch: UnpairedBatch) -> Losses:
        """Run one step of the present stage; enter the next stage when this one was full."""
        if self.iteration >= self.stage.iterations:
            self.begin_stage(self.stage_index + 1)
        self.method.train()
        batch = UnpairedBatch(
            *(self.fabric.to_device(t) for t in (batch.x_s, batch.y_s, batch.x_t))
        )
        with ExitStack() as stack:
            for network in self.networks.values():
                stack.enter_context(self.fabric.no_backward_sync(network, self._is_parallel))
            losses = self.stage.step(batch, self.update)
        for schedule in self.stage.schedules.values():
            schedule.step()
        self.iteration += 1
        self._average()
        return losses

    def update(self, optimizer: str, loss: Scalar) -> None:
        """Step one optimizer of the present stage on `loss` (see `methods.base.Update`).

        Raises:
            RunError: The present stage has no optimizer of that name.
        """
        if optimizer not in self._optimizers:
            raise RunError(
                f"Stage {self.stage.name!r} updates {optimizer!r}, which is none of its optimizers "
                f"({', '.join(self._optimizers)})."
            )
        chosen = self._optimizers[optimizer]
        chosen.zero_grad()
        self.fabric.backward(loss)
        weights = [weight for group in chosen.param_groups for weight in group["params"]]
        self._share_gradients(weights)
        if self.settings.gradient_clip:
            torch.nn.utils.clip_grad_norm_(weights, self.settings.gradient_clip)
        chosen.step()

    def deployed_model(self) -> Method:
        """Return the networks that would be deployed now, averaged if averaging is on."""
        if not self.settings.averaging:
            self._copy_weights()
        return self._averaged.eval()

    def autocast(self) -> AbstractContextManager[None]:
        """Return the precision's context for forward passes outside the wrapped networks."""
        context: AbstractContextManager[None] = self.fabric.autocast()
        return context

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs to go on bit for bit."""
        return {
            "stage": self.stage_index,
            "iteration": self.iteration,
            "networks": {n: network.state_dict() for n, network in self.networks.items()},
            "averaged": self._averaged.state_dict(),
            "optimizers": {n: o.state_dict() for n, o in self.stage.optimizers.items()},
            "schedules": {n: s.state_dict() for n, s in self.stage.schedules.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.begin_stage(state["stage"], is_resumed=True)
        self.iteration = state["iteration"]
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        self._averaged.load_state_dict(state["averaged"])
        for name, optimizer in self.stage.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        for name, schedule in self.stage.schedules.items():
            schedule.load_state_dict(state["schedules"][name])

    @property
    def _is_parallel(self) -> bool:
        return self.fabric.world_size > 1

    def _share_gradients(self, weights: list[Tensor]) -> None:
        """Average the gradients over all processes, in one message."""
        if not self._is_parallel:
            return
        graded = [weight.grad for weight in weights if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in graded])
        shared = cast("Tensor", self.fabric.all_reduce(flat, reduce_op="mean"))
        start = 0
        for gradient in graded:
            gradient.copy_(shared[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    @torch.no_grad()
    def _average(self) -> None:
        decay = self.settings.averaging
        if not decay:
            return
        decay = min(decay, (1 + self.step_count) / (10 + self.step_count))  # short memory at first
        present = self.method.state_dict()
        for name, average in self._averaged.state_dict().items():
            if average.is_floating_point():
                average.lerp_(present[name], 1 - decay)
            else:
                average.copy_(present[name])

    def _copy_weights(self) -> None:
        present = self.method.state_dict()
        self._averaged.load_state_dict({n: present[n] for n in self._averaged.state_dict()})


def launch_fabric(settings: TrainingSettings, device: str) -> Fabric:
    """Start Fabric on the chosen device, joining the processes that torchrun or SLURM started.

    Raises:
        DeviceError: The device is not there.
    """
    accelerator = resolve_device(device).type
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", str(world_size)))
    precision = settings.precision
    if precision == "auto":
        precision = choose_precision(accelerator)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its chat is not ours
    fabric = Fabric(
        accelerator=accelerator,
        devices=local_size,
        num_nodes=max(1, world_size // local_size),
        strategy=DDPStrategy(broadcast_buffers=False) if world_size > 1 else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric


def _deployed_copy(method: Method) -> Method:
    """Return a copy that holds only the networks that prediction needs."""
    deployed = copy.deepcopy(method)
    for name, _ in list(deployed.named_children()):
        if name not in method.deployed:
            delattr(deployed, name)
    return deployed.requires_grad_(requires_grad=False)
