"""Random changes of place and of appearance."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from CrossModalSegLib.data.augmentation import (
    STRONG_APPEARANCE,
    AppearanceAugmentation,
    SpatialAugmentation,
    random_remap,
)


def generator() -> Generator:
    return Generator().manual_seed(3)


def test_labels_move_with_their_images() -> None:
    """Wherever a moved pixel comes from one class alone, it has that class's label."""
    labels = torch.zeros(4, 32, 32, dtype=torch.int64)
    labels[:, 8:20, 6:15] = 1
    labels[:, 14:28, 18:30] = 2
    shares = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    augmentation = SpatialAugmentation(rotation_degrees=20)
    for value in range(3):
        moved, moved_labels = augmentation(shares[:, value : value + 1], labels, generator())
        assert moved_labels is not None
        assert not torch.equal(moved_labels, labels)
        assert (moved_labels[moved[:, 0] > 0.999] == value).all()
        assert (moved_labels[moved[:, 0] < 0.001] != value).all()
        assert (moved[:, 0] > 0.999).any()


def test_images_move_the_same_with_and_without_labels() -> None:
    images = torch.rand(3, 1, 16, 16)
    labels = torch.zeros(3, 16, 16, dtype=torch.int64)
    with_labels, _ = SpatialAugmentation()(images, labels, generator())
    without, none = SpatialAugmentation()(images, None, generator())
    assert none is None
    assert torch.equal(with_labels, without)


def test_one_generator_state_gives_one_result_and_another_gives_another() -> None:
    images = torch.rand(3, 1, 16, 16)
    source = generator()
    first, _ = SpatialAugmentation()(images, None, source)
    second, _ = SpatialAugmentation()(images, None, source)
    again, _ = SpatialAugmentation()(images, None, generator())
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_a_shift_is_a_fraction_of_the_slice() -> None:
    still = SpatialAugmentation(rotation_degrees=0, log_scale=0, shift_fraction=0.25)
    grids = still.grids(torch.zeros(500, 1, 8, 8), generator())
    centre = grids.mean(dim=(1, 2)) / 2  # the grid spans 2 units
    assert centre.abs().max() <= 0.25 + 1e-6
    assert centre.abs().max() > 0.2


@pytest.mark.parametrize("labelled", [True, False])
def test_nothing_asked_for_changes_nothing(labelled: bool) -> None:  # noqa: FBT001
    nothing = SpatialAugmentation(rotation_degrees=0, log_scale=0, shift_fraction=0)
    images = torch.rand(2, 1, 8, 8)
    labels = torch.ones(2, 8, 8, dtype=torch.int64) if labelled else None
    moved, moved_labels = nothing(images, labels, generator())
    assert moved is images
    assert moved_labels is labels
    assert AppearanceAugmentation()(images) is images


def test_strong_changes_stay_in_range_and_differ_between_slices() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 1, 32, 32) * 2 - 1
    changed = STRONG_APPEARANCE(image.repeat(8, 1, 1, 1))
    assert changed.abs().max() <= 1.3
    assert torch.isfinite(changed).all()
    assert len({round(slice_.mean().item(), 4) for slice_ in changed}) == 8


def test_brightness_alone_shifts_every_pixel_alike() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 1, 8, 8) - 0.5
    shift = AppearanceAugmentation(brightness=0.2)(images) - images
    torch.testing.assert_close(shift, shift[:, :, :1, :1].expand_as(shift))
    assert shift.abs().max() <= 0.2
    assert shift.abs().min() > 0


def test_a_remap_is_a_curve_that_spans_the_range() -> None:
    torch.manual_seed(0)
    ramp = torch.linspace(-1, 1, 256).view(1, 1, 16, 16)
    curves = random_remap(ramp.repeat(200, 1, 1, 1), knots=6).flatten(1)
    torch.testing.assert_close(curves.amin(1), torch.full((200,), -1.0))
    torch.testing.assert_close(curves.amax(1), torch.full((200,), 1.0))
    steps = curves.diff(dim=1)
    rising = (steps >= -1e-6).all(1).float().mean().item()
    falling = (steps <= 1e-6).all(1).float().mean().item()
    assert 0.15 < rising < 0.36
    assert 0.15 < falling < 0.36


def test_equal_intensities_stay_equal_under_a_remap() -> None:
    torch.manual_seed(0)
    image = torch.randint(0, 5, (3, 1, 16, 16)).float() / 2.5 - 1
    remapped = random_remap(image, knots=6)
    for before, after in zip(image, remapped, strict=True):
        for value in torch.unique(before):
            same = after[before == value]
            assert same.min() == same.max()


def test_gradients_pass_through_black_pixels() -> None:
    """A translator may be trained through the augmentation, and its images hold much black."""
    torch.manual_seed(0)
    images = (torch.rand(8, 1, 16, 16) * 2 - 1).clamp(min=-0.2)
    images[:, :, :8] = -1.0
    images.requires_grad_()
    AppearanceAugmentation(gamma=0.5)(images).sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad.abs().max() < 100


def test_black_stays_black_under_gamma() -> None:
    torch.manual_seed(0)
    changed = AppearanceAugmentation(gamma=0.5)(torch.full((8, 1, 4, 4), -1.0))
    assert torch.equal(changed, torch.full((8, 1, 4, 4), -1.0))
