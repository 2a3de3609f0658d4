"""Drawing slices."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Generator

from CrossModalSegLib.core.errors import CohortError, ConfigError, MismatchError
from CrossModalSegLib.core.tensors import Images, Labels
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.sampling import (
    MATCHED_HEIGHT,
    ClassBalance,
    SliceSampler,
    UnpairedSampler,
    derive_seed,
)

CohortMaker = Callable[..., Cohort]


@pytest.fixture
def source(make_cohort: CohortMaker) -> Cohort:
    return make_cohort("source", range(3))


@pytest.fixture
def target(make_cohort: CohortMaker) -> Cohort:
    return make_cohort("target", range(10, 13), labelled=False)


def jitter(
    images: Images, labels: Labels | None, generator: Generator
) -> tuple[Images, Labels | None]:
    return images + torch.rand(len(images), 1, 1, 1, generator=generator), labels


def test_batches_have_the_shapes_and_ranges_of_the_contract(source: Cohort, target: Cohort) -> None:
    batch = UnpairedSampler(source, target, batch_size=4, seed=0).next()
    assert batch.x_s.shape == batch.x_t.shape == (4, 1, 16, 16)
    assert batch.y_s.shape == (4, 16, 16)
    assert (batch.x_s.dtype, batch.y_s.dtype) == (torch.float32, torch.int64)
    assert batch.x_s.abs().max() <= 1
    assert set(batch.y_s.flatten().tolist()) <= {0, 1, 2, 3, 4}


def test_slices_and_labels_belong_together(source: Cohort) -> None:
    sampler = SliceSampler(source, "train", 2, seed=0, balance=ClassBalance())
    depth = source.cases[0].shape[0]
    batch = sampler.read([1, 2 * depth + 5])
    assert batch.labels is not None
    for position, (case, row) in enumerate([(0, 1), (2, 5)]):
        labels = source.labels(source.cases[case])
        assert labels is not None
        image = source.images(source.cases[case])[row].astype(np.float32)
        assert np.array_equal(batch.images[position, 0].numpy(), image)
        assert np.array_equal(batch.labels[position].numpy(), labels[row])


def test_three_quarters_of_a_batch_hold_each_class_in_turn(source: Cohort) -> None:
    sampler = SliceSampler(source, "train", 8, seed=0, balance=ClassBalance(minimum_voxels=8))
    classes: list[int] = []
    for _ in range(10):
        labels = sampler.next().labels
        assert labels is not None
        for n in range(6):
            wanted = 1 + len(classes) % 4
            classes.append(wanted)
            assert (labels[n] == wanted).sum() >= 8
    assert len(classes) == 60


def test_all_slices_that_hold_a_class_are_drawn(source: Cohort) -> None:
    counts = [source.slice_classes(case) for case in source.cases]
    holding = sum(int((rows[:, 1:] >= 8).sum()) for rows in counts if rows is not None)
    sampler = SliceSampler(
        source, "train", 4, seed=0, balance=ClassBalance(fraction=1.0, minimum_voxels=8)
    )
    drawn = {image.numpy().tobytes() for _ in range(100) for image in sampler.next().images}
    depth = source.cases[0].shape[0]
    assert 1 < len(drawn) <= min(holding, 3 * depth)
    assert len(drawn) == len(
        {
            case.id + str(row)
            for case, rows in zip(source.cases, counts, strict=True)
            if rows is not None
            for row in np.flatnonzero((rows[:, 1:] >= 8).any(axis=1))
        }
    )


def test_slices_are_balanced_from_an_iteration_on(source: Cohort) -> None:
    balance = ClassBalance(fraction=1.0, from_iteration=20)
    sampler = SliceSampler(source, "train", 8, seed=0, balance=balance)
    held = [_share_that_holds_a_class(sampler) for _ in range(40)]
    assert 0 < np.mean(held[:20]) < 0.9
    assert held[20:] == [1.0] * 20


def test_a_resumed_sampler_knows_when_to_balance(source: Cohort) -> None:
    balance = ClassBalance(fraction=1.0, from_iteration=4)
    whole, resumed = (SliceSampler(source, "train", 8, seed=0, balance=balance) for _ in range(2))
    drawn = [whole.draw() for _ in range(2)]
    resumed.load_state_dict(whole.state_dict())
    assert [whole.draw() for _ in range(4)] == [resumed.draw() for _ in range(4)] != drawn


def _share_that_holds_a_class(sampler: SliceSampler) -> float:
    labels = sampler.next().labels
    assert labels is not None
    return float(((labels > 0).flatten(1).sum(dim=1) >= 8).float().mean())


def test_unlabelled_slices_are_drawn_uniformly(target: Cohort) -> None:
    sampler = SliceSampler(target, "train", 16, seed=0)
    drawn = [image.numpy().tobytes() for _ in range(60) for image in sampler.next().images]
    counts = np.array([drawn.count(image) for image in set(drawn)])
    assert len(counts) == len(sampler) == sum(case.shape[0] for case in target.cases)
    assert counts.max() < 3 * counts.mean()
    assert sampler.next().labels is None


def test_matched_target_slices_lie_at_the_heights_of_the_source_slices(
    source: Cohort, target: Cohort
) -> None:
    matched, uniform = (
        UnpairedSampler(source, target, 16, 0, balance=ClassBalance(match_heights=is_matched))
        for is_matched in (True, False)
    )
    half_a_slice = max(0.5 / (case.shape[0] - 1) for case in target.cases)
    assert _largest_difference(matched, source, target) <= MATCHED_HEIGHT + half_a_slice
    assert _largest_difference(uniform, source, target) > 0.3


def _largest_difference(sampler: UnpairedSampler, source: Cohort, target: Cohort) -> float:
    """Return the largest difference of heights of the two domains' slices in a batch."""
    batch = sampler.next()
    differences = _heights(source, batch.x_s) - _heights(target, batch.x_t)
    return float(np.abs(differences).max())


def _heights(cohort: Cohort, images: Images) -> np.ndarray:
    """Return where slices lie in their volumes, found by what is on them."""
    known = {
        np.array(image, np.float32).tobytes(): row / (case.shape[0] - 1)
        for case in cohort.in_split("train")
        for row, image in enumerate(cohort.channels(case))
    }
    return np.array([known[image.numpy().tobytes()] for image in images])


def test_the_same_seed_draws_the_same_and_another_seed_does_not(
    source: Cohort, target: Cohort
) -> None:
    first, again, other = (UnpairedSampler(source, target, 4, seed, jitter) for seed in (1, 1, 2))
    a, b, c = first.next(), again.next(), other.next()
    assert torch.equal(a.x_s, b.x_s)
    assert torch.equal(a.x_t, b.x_t)
    assert not torch.equal(a.x_s, c.x_s)
    assert not torch.equal(a.x_t, c.x_t)


def test_sampling_neither_reads_nor_moves_the_global_generator(
    source: Cohort, target: Cohort
) -> None:
    sampler = UnpairedSampler(source, target, 4, 0, jitter)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    sampler.next()
    assert torch.equal(torch.get_rng_state(), before)


def test_sampling_resumes_exactly_from_a_safe_checkpoint(source: Cohort, target: Cohort) -> None:
    sampler = UnpairedSampler(source, target, 4, 3, jitter)
    for _ in range(7):
        sampler.next()
    buffer = io.BytesIO()
    torch.save(sampler.state_dict(), buffer)
    buffer.seek(0)
    expected = [sampler.next() for _ in range(5)]

    resumed = UnpairedSampler(source, target, 4, 99, jitter)
    resumed.load_state_dict(torch.load(buffer, weights_only=True))
    for batch in expected:
        found = resumed.next()
        assert torch.equal(found.x_s, batch.x_s)
        assert torch.equal(found.y_s, batch.y_s)
        assert torch.equal(found.x_t, batch.x_t)


def test_a_state_is_a_copy_that_later_draws_do_not_change(source: Cohort, target: Cohort) -> None:
    sampler = UnpairedSampler(source, target, 4, 0, jitter)
    state = sampler.state_dict()
    first = sampler.next()
    sampler.load_state_dict(state)
    assert torch.equal(sampler.next().x_s, first.x_s)


def test_target_labels_are_never_opened(make_cohort: CohortMaker, source: Cohort) -> None:
    target = make_cohort("labelled target", range(20, 22))
    for path in [*target.folder.rglob("label.npy"), *target.folder.rglob("slice_classes.npy")]:
        path.unlink()
    sampler = UnpairedSampler(source, Cohort.open(target.folder), 4, seed=0)
    assert sampler.next().x_t.shape == (4, 1, 16, 16)


def test_the_augmentation_sees_labels_of_the_source_only(source: Cohort, target: Cohort) -> None:
    seen: list[bool] = []

    def flip(
        images: Images, labels: Labels | None, generator: Generator
    ) -> tuple[Images, Labels | None]:
        del generator
        seen.append(labels is not None)
        return images.flip(3), None if labels is None else labels.flip(2)

    plain = UnpairedSampler(source, target, 4, 0).next()
    flipped = UnpairedSampler(source, target, 4, 0, flip).next()
    assert seen == [True, False]
    assert torch.equal(flipped.x_s, plain.x_s.flip(3))
    assert torch.equal(flipped.y_s, plain.y_s.flip(2))
    assert torch.equal(flipped.x_t, plain.x_t.flip(3))


def test_a_source_without_labels_is_refused(target: Cohort) -> None:
    with pytest.raises(CohortError, match="has no labels"):
        UnpairedSampler(target, target, 4, 0)


def test_an_empty_split_is_refused(target: Cohort) -> None:
    with pytest.raises(CohortError, match=r"'test' of .* has no cases"):
        SliceSampler(target, "test", 4, 0)


def test_a_source_in_which_no_slice_holds_enough_is_refused(source: Cohort) -> None:
    with pytest.raises(CohortError, match=r"No slice .* 10000 voxels of any class"):
        SliceSampler(source, "train", 4, 0, ClassBalance(minimum_voxels=10_000))


def test_slices_of_different_size_are_refused(
    source: Cohort, target: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SliceSampler, "slice_shape", property(lambda self: (id(self), 1)))
    with pytest.raises(MismatchError, match="rows and columns"):
        UnpairedSampler(source, target, 4, 0)


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_a_balance_must_be_a_share(fraction: float) -> None:
    with pytest.raises(ConfigError, match=r"fraction in \[0, 1\]"):
        ClassBalance(fraction=fraction)


def test_an_iteration_is_not_negative() -> None:
    with pytest.raises(ConfigError, match="an iteration from 0 on"):
        ClassBalance(from_iteration=-1)


def test_a_batch_must_hold_slices(target: Cohort) -> None:
    with pytest.raises(ConfigError, match="batch size of 0"):
        SliceSampler(target, "train", 0, 0)


def test_seeds_for_different_purposes_differ_and_are_the_same_everywhere() -> None:
    assert derive_seed(0, "source") != derive_seed(0, "target") != derive_seed(1, "target")
    assert derive_seed(0, "source") == int("bf4087f86b6338", 16)
