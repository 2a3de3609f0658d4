"""The Models page: what models there are, what they are good for, and how to get more."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.background_work import BackgroundWork
from CrossModalSegLib.bridge.model_catalogue import ImportPlan, ModelCard, ModelCatalogue
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.widget.message_area import MessageArea
from CrossModalSegLib.widget.models_table import ModelsTable
from CrossModalSegLib.widget.models_texts import delete_tip, export_tip, no_match, no_models
from CrossModalSegLib.widget.polling import Poller

ZIP_SUFFIX = ".zip"


class ModelsPage:
    """Lists models, shows the card of one, imports, exports and deletes.

    Args:
        ui_widget: Made from ModelsPage.ui.
        catalogue: The models.
        on_changed: Called when models came, went or were looked at again.
    """

    def __init__(
        self, ui_widget: Any, catalogue: ModelCatalogue, *, on_changed: Callable[[], None]
    ) -> None:
        self.widget = ui_widget
        self.ui = slicer.util.childWidgetVariables(ui_widget)
        self._catalogue = catalogue
        self._on_changed = on_changed
        self._cards: dict[str, ModelCard] = {}
        self._shown_html = ""
        self._plan: ImportPlan | None = None
        self._browsed_folder = ""
        self._work = BackgroundWork()
        self._poller = Poller(self._poll)
        self._message = MessageArea(self.ui, on_hide=self._forget_plan)
        self._table = ModelsTable(self.ui.modelsTable, self._show_selected)
        self._connect()
        self.refresh()

    @property
    def selected_name(self) -> str:
        """Name of the model whose card is shown, or ""."""
        return self._table.selected_name

    @property
    def is_busy(self) -> bool:
        """Whether files are being copied or removed."""
        return self._work.is_active

    def refresh(self) -> None:
        """Show what is in the folders now; the selection stays."""
        self._list(self.selected_name)

    def select(self, name: str) -> None:
        """Show the card of a model; a search that hides it is cleared."""
        if name in self._cards and not self._cards[name].mentions(self.ui.searchEdit.text):
            self.ui.searchEdit.setText("")
        self._list(name)

    def add(self, bundle: Path, on_added: Callable[[str], None]) -> bool:
        """Import a bundle that was trained here, unless it is there already.

        Args:
            bundle: Its folder.
            on_added: Called with the model's name when it can be used.

        Returns:
            Whether it was begun: not while other files are being copied.
        """
        if self.is_busy:
            return False
        catalogue = self._catalogue

        def tell(name: str) -> None:
            self.refresh()
            self._on_changed()
            on_added(name)

        self._run(
            _("Importing {name}…").format(name=bundle.parent.name),
            lambda: catalogue.name_of(bundle) or _imported_name(catalogue, bundle),
            tell,
        )
        return True

    def cleanup(self) -> None:
        """Let go of everything; what is being written is finished first."""
        self._poller.stop()
        self._work.shutdown()

    def _connect(self) -> None:
        self.ui.searchEdit.textChanged.connect(self.refresh)
        self.ui.refreshButton.clicked.connect(self._on_refresh)
        self.ui.importZipButton.clicked.connect(self._on_import_zip)
        self.ui.importFolderButton.clicked.connect(self._on_import_folder)
        self.ui.exportButton.clicked.connect(self._on_export)
        self.ui.revealButton.clicked.connect(self._on_reveal)
        self.ui.deleteButton.clicked.connect(self._on_delete)
        self.ui.replaceButton.clicked.connect(self._on_replace)
        self.ui.keepBothButton.clicked.connect(self._on_keep_both)

    # What is shown

    def _list(self, selected: str) -> None:
        try:
            cards = self._catalogue.entries()
        except (CrossModalSegError, OSError) as error:
            self._message.show_error(error)
            cards = ()
        self._cards = {card.name: card for card in cards}
        search = self.ui.searchEdit.text
        found = [card for card in cards if card.mentions(search)]
        found.sort(key=lambda card: not card.is_usable)  # what can be used comes first
        self._table.show(found, selected)
        self.ui.modelsTable.setVisible(bool(found))
        self.ui.emptyLabel.setVisible(not found)
        self.ui.emptyLabel.setText(no_match(search) if cards else no_models())
        self.ui.folderLabel.setText(self._folder_text())
        self._show_selected()

    def _folder_text(self) -> str:
        imported = [card for card in self._cards.values() if not card.is_shipped]
        megabytes = sum(card.size_bytes for card in imported) / 2**20
        text: str = _("Imported models: {count}, {size:.1f} MB, in {folder}")
        return text.format(count=len(imported), size=megabytes, folder=self._catalogue.folder)

    def _show_selected(self) -> None:
        card = self._selected()
        html = card.html() if card else ""
        if html != self._shown_html:  # the same card stays where it was scrolled to
            self.ui.detailsBrowser.setHtml(html)
            self._shown_html = html
        self.ui.detailsBrowser.setVisible(card is not None)
        self._update_buttons()

    def _selected(self) -> ModelCard | None:
        return self._cards.get(self.selected_name)

    def _update_buttons(self) -> None:
        card, idle = self._selected(), not self.is_busy
        usable = card is not None and card.is_usable
        own = card is not None and not card.is_shipped
        for button in (self.ui.importZipButton, self.ui.importFolderButton):
            button.setEnabled(idle)
        for button in (self.ui.replaceButton, self.ui.keepBothButton, self.ui.refreshButton):
            button.setEnabled(idle)
        self.ui.exportButton.setEnabled(idle and usable)
        self.ui.revealButton.setEnabled(card is not None)
        self.ui.deleteButton.setEnabled(idle and own)
        self.ui.exportButton.setToolTip(export_tip(card))
        self.ui.deleteButton.setToolTip(delete_tip(card))
        self.ui.busyFrame.setVisible(not idle)

    def _ask_about(self, plan: ImportPlan) -> None:
        """Ask, without a dialog, what to do with a name that is taken."""
        text = _("There is a model named {name} already. To keep both, this one becomes {free}.")
        self._message.show_warning(text.format(name=plan.name, free=plan.free_name))
        self._plan = plan
        self.ui.replaceButton.setVisible(plan.taken_by == "user")
        self.ui.keepBothButton.setVisible(True)

    def _forget_plan(self) -> None:
        self._plan = None
        self.ui.replaceButton.setVisible(False)
        self.ui.keepBothButton.setVisible(False)

    # Work with files

    def _run(self, text: str, work: Callable[[], Any], on_result: Callable[[Any], None]) -> None:
        """Do `work` in a thread and then list the models again, read in the same thread."""

        def work_and_read() -> Any:
            result = work()
            self._catalogue.entries()
            return result

        if self._work.start(work_and_read, on_result, self._on_failure):
            self._message.hide()
            self.ui.busyLabel.setText(text)
            self._update_buttons()
            self._poller.start()

    def _poll(self) -> None:
        try:
            self._work.poll()
        finally:
            if not self.is_busy:
                self._poller.stop()
                self._update_buttons()

    def _on_failure(self, error: Exception) -> None:
        if not isinstance(error, CrossModalSegError):
            logging.getLogger(__name__).error("Models page", exc_info=error)
        self.refresh()
        self._message.show_error(error)

    def _import(self, path: str) -> None:
        if not path:
            return
        self._browsed_folder = str(Path(path).parent)
        catalogue = self._catalogue

        def work() -> ImportPlan | ModelCard:
            plan = catalogue.plan_import(path)
            return plan if plan.taken_by else catalogue.import_model(path)

        self._run(_("Importing {name}…").format(name=Path(path).name), work, self._on_imported)

    def _import_as(self, name: str, *, overwrite: bool) -> None:
        plan, catalogue = self._plan, self._catalogue
        if plan is None:
            return
        self._run(
            _("Importing {name}…").format(name=name),
            lambda: catalogue.import_model(plan.source, name=name, overwrite=overwrite),
            self._on_imported,
        )

    def _on_imported(self, result: ImportPlan | ModelCard) -> None:
        if isinstance(result, ImportPlan):
            self._ask_about(result)
            return
        self.refresh()
        self.select(result.name)
        self._message.show_note(_("Imported {name}.").format(name=result.name))
        self._on_changed()

    # What the user presses

    def _on_refresh(self) -> None:
        self.refresh()
        self._on_changed()

    def _on_import_zip(self) -> None:
        self._import(
            qt.QFileDialog.getOpenFileName(
                self.widget, _("Import a model"), self._browsed_folder, _("Models (*.zip)")
            )
        )

    def _on_import_folder(self) -> None:
        self._import(
            qt.QFileDialog.getExistingDirectory(
                self.widget, _("Import a model"), self._browsed_folder
            )
        )

    def _on_replace(self) -> None:
        if self._plan is not None:
            self._import_as(self._plan.name, overwrite=True)

    def _on_keep_both(self) -> None:
        if self._plan is not None:
            self._import_as(self._plan.free_name, overwrite=False)

    def _on_export(self) -> None:
        name, catalogue = self.selected_name, self._catalogue
        suggested = str(Path(self._browsed_folder) / f"{name}{ZIP_SUFFIX}")
        chosen = qt.QFileDialog.getSaveFileName(
            self.widget, _("Export a model"), suggested, _("Models (*.zip)")
        )
        if not chosen:
            return
        was_asked = chosen.lower().endswith(ZIP_SUFFIX)  # the dialog asked before overwriting it
        path = Path(chosen if was_asked else f"{chosen}{ZIP_SUFFIX}")
        self._browsed_folder = str(path.parent)
        self._run(
            _("Exporting {name}…").format(name=name),
            lambda: catalogue.export_model(name, path, overwrite=was_asked),
            lambda _result: self._message.show_note(_("Exported to {path}.").format(path=path)),
        )

    def _on_reveal(self) -> None:
        card = self._selected()
        if card is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(card.path)))

    def _on_delete(self) -> None:
        name, catalogue = self.selected_name, self._catalogue
        question = _("Delete the model {name} from this computer? This cannot be undone.")
        if not slicer.util.confirmOkCancelDisplay(
            question.format(name=name), windowTitle=_("Delete a model"), parent=self.widget
        ):
            return
        self._run(
            _("Deleting {name}…").format(name=name),
            lambda: catalogue.delete_model(name),
            lambda _result: self._on_deleted(name),
        )

    def _on_deleted(self, name: str) -> None:
        self.refresh()
        self._message.show_note(_("Deleted {name}.").format(name=name))
        self._on_changed()


def _imported_name(catalogue: ModelCatalogue, bundle: Path) -> str:
    """Import a bundle under its own name, or under another one if that is taken."""
    plan = catalogue.plan_import(bundle)
    return catalogue.import_model(bundle, name=plan.free_name).name
