"""`runs report`: a page about one training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from CrossModalSegLib.cli.command import Command
from CrossModalSegLib.core.errors import ConfigError, OutputExistsError
from CrossModalSegLib.core.events import Reporter

REPORT_FILE = "report.html"


@dataclass(frozen=True, kw_only=True)
class ReportRun(Command):
    """Write an HTML page about a run: settings, curves, pictures, score, and how it ended."""

    folder: tyro.conf.Positional[Path]
    """The run's folder; the run need not be finished."""
    output: Path | None = None
    """HTML file to write; by default report.html in the run's folder."""
    overwrite: bool = False
    """Replace an output that exists."""

    def run(self, reporter: Reporter) -> None:
        """Write it.

        Raises:
            RunError: The folder is no run.
            ConfigError: The output does not end in .html.
            OutputExistsError: The output exists and is not to be replaced.
        """
        output = self.output or self.folder / REPORT_FILE
        if output.suffix.lower() != ".html":
            raise ConfigError(f"The output is {output}, expected a file that ends in .html.")
        if output.exists() and not self.overwrite:
            raise OutputExistsError(output)
        from CrossModalSegLib.evaluation.run_report import write_run_report

        write_run_report(self.folder, output)
        reporter.done([output], {})
