"""Segments an artificial heart in the real application, by the module's scripting entry.

Run by CTest of a Slicer build (see CMakeLists.txt beside this file), or in Slicer's Python console:

    import sys, unittest
    sys.path.append("<repository>/CrossModalSeg/Testing/Python")
    import CrossModalSegSelfTest
    suite = unittest.defaultTestLoader.loadTestsFromModule(CrossModalSegSelfTest)
    unittest.TextTestRunner(verbosity=2).run(suite)

Needs the module's Python packages (press Install in the module once). Nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import slicer
import slicer.ScriptedLoadableModule
import slicer.util

MODALITY: Literal["mr_bssfp"] = "mr_bssfp"
TASK = "cardiac"
SEED = 2026
"""A subject that no shipped model was trained on."""

LOWEST_DICE = 0.5
"""Far below what shipped models reach on such phantoms, far above a result that is misplaced."""

OPENING_SECONDS = 0.3
CANCEL_SECONDS = 1.0


class CrossModalSegSelfTest(slicer.ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What can be seen only in the application: its processes, its scene, its saved files."""

    def setUp(self) -> None:
        """Begin with an empty scene and a logic of its own."""
        slicer.mrmlScene.Clear()
        if importlib.util.find_spec("torch") is None:
            self.skipTest("The module's Python packages are missing: press Install in the module.")
        # mypy takes the module's folder for the module.
        from CrossModalSeg import CrossModalSegLogic  # type: ignore[attr-defined]

        self.logic = CrossModalSegLogic()
        self.addCleanup(self.logic.shutdown)
        cards = self.logic.service.catalogue.matching(modality=MODALITY, task=TASK)
        if not cards:
            self.skipTest(f"No model for {TASK} {MODALITY} is there: import one.")
        from CrossModalSegLib.bridge.segmentations import structures_of

        self.card = cards[0]
        self.structures = structures_of(self.card.task)

    def runTest(self) -> None:
        """Run all, for Slicer's own button."""
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            getattr(self, name)()
            self.doCleanups()

    def test_structures_lie_where_they_are_in_the_patient(self) -> None:
        """Each structure overlaps its reference, on a scan that is oblique and not axial."""
        scan, reference = self._add_phantom()
        segmentation = self.logic.segment(scan, model=self.card.name)
        self.assertTrue(segmentation.IsA("vtkMRMLSegmentationNode"))
        for structure in self.structures:
            found = self._voxels(segmentation, structure, scan)
            expected = np.isin(reference, structure.values)
            dice = 2 * (found & expected).sum() / max(found.sum() + expected.sum(), 1)
            self.assertGreater(dice, LOWEST_DICE, structure.name)

    def test_result_has_surfaces_colours_and_the_scan_as_reference(self) -> None:
        """What 3D views and DICOM export need is there."""
        scan, _ = self._add_phantom()
        segmentation = self.logic.segment(scan, model=self.card.name)
        reference = segmentation.GetNodeReference(
            segmentation.GetReferenceImageGeometryReferenceRole()
        )
        self.assertEqual(reference.GetID(), scan.GetID())
        for structure in self.structures:
            segment = self._segment(segmentation, structure)
            self.assertIsNotNone(segment.GetRepresentation("Closed surface"), structure.name)
            self.assertTrue(
                np.allclose(segment.GetColor(), np.array(structure.colour) / 255, atol=0.01)
            )

    def test_a_second_run_updates_the_same_node(self) -> None:
        """Segments are replaced, not added, and the worker is warm by then."""
        scan, _ = self._add_phantom()
        first = self.logic.segment(scan, model=self.card.name)
        start = time.monotonic()
        second = self.logic.segment(scan, model=self.card.name, outputNode=first)
        self.delayDisplay(f"Warm run: {time.monotonic() - start:.1f} s", 100)
        self.assertEqual(second.GetID(), first.GetID())
        segments = second.GetSegmentation().GetNumberOfSegments()
        self.assertEqual(segments, len(self.structures))

    def test_cancelling_leaves_the_scene_as_it_was(self) -> None:
        """A run that does not block stops soon after it is told to."""
        scan, _ = self._add_phantom()
        before = slicer.mrmlScene.GetNumberOfNodes()
        outcomes: list[Any] = []
        run = self.logic.segment(scan, model=self.card.name, blocking=False, onEnd=outcomes.append)
        self._process_events(0.2)
        start = time.monotonic()
        run.cancel()
        while not outcomes and time.monotonic() - start < 10 * CANCEL_SECONDS:
            self._process_events(0.02)
        self.assertLess(time.monotonic() - start, CANCEL_SECONDS)
        self.assertEqual([outcome.state for outcome in outcomes], ["cancelled"])
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)

    def test_result_survives_saving_and_loading_the_scene(self) -> None:
        """Names and voxels come back out of an .mrb file."""
        scan, _ = self._add_phantom()
        segmentation = self.logic.segment(scan, model=self.card.name)
        name, scan_name = segmentation.GetName(), scan.GetName()
        structure = self.structures[0]
        voxels = self._voxels(segmentation, structure, scan)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(path)
            loaded = slicer.util.getNode(name)
            again = self._voxels(loaded, structure, slicer.util.getNode(scan_name))
        self.assertTrue(np.array_equal(again, voxels))

    def test_module_opens_quickly_and_imports_no_torch(self) -> None:
        """The panel is built without the heavy packages."""
        if slicer.util.mainWindow() is None:
            self.skipTest("There is no main window.")
        was_loaded = "torch" in sys.modules
        start = time.monotonic()
        slicer.util.selectModule("CrossModalSeg")
        seconds = time.monotonic() - start
        self.assertLess(seconds, OPENING_SECONDS)
        self.assertEqual("torch" in sys.modules, was_loaded)

    def _add_phantom(self) -> tuple[Any, Any]:
        """Put an artificial scan into the scene; return its node and its reference labels."""
        from CrossModalSegLib.bridge.volumes import volume_to_node
        from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject

        subject = make_cardiac_subject(MODALITY, SEED)
        node = volume_to_node(subject.image, slicer.mrmlScene, "Self-test cardiac MR")
        return node, subject.labels.array_kji

    def _segment(self, segmentation: Any, structure: Any) -> Any:
        by_name = {
            segmentation.GetSegmentation().GetNthSegment(index).GetName(): index
            for index in range(segmentation.GetSegmentation().GetNumberOfSegments())
        }
        index = by_name.get(structure.label, by_name.get(structure.name))
        self.assertIsNotNone(index, f"{structure.name} is not among {sorted(by_name)}")
        return segmentation.GetSegmentation().GetNthSegment(index)

    def _voxels(self, segmentation: Any, structure: Any, scan: Any) -> Any:
        segment = self._segment(segmentation, structure)
        segment_id = segmentation.GetSegmentation().GetSegmentIdBySegment(segment)
        array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, scan)
        return np.asarray(array) > 0

    def _process_events(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.01)
