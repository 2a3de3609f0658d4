"""Setting up and running, with a runner that records what it was asked instead of doing it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import bootstrap

VERSION = (3, 12)
OK = (0, "")

Answer = tuple[int, str] | type[BaseException]


class Recorder:
    """A runner that succeeds at everything but what it is told otherwise."""

    def __init__(self, root: Path, answers: dict[str, Answer] | None = None) -> None:
        self.root = root
        self.answers = answers or {}
        self.commands: list[str] = []
        self.folders: list[Path] = []

    def __call__(
        self, command: Sequence[str], *, quiet: bool = False, folder: Path = bootstrap.ROOT
    ) -> tuple[int, str]:
        del quiet
        self.folders.append(folder)
        line = " ".join(command)
        self.commands.append(line)
        for part, answer in self.answers.items():
            if part in line:
                if isinstance(answer, type):
                    raise answer
                return answer
        if "-m venv" in line:
            make_venv(self.root)
        return OK

    def said(self, part: str) -> bool:
        return any(part in command for command in self.commands)


def make_venv(root: Path) -> Path:
    python = bootstrap.venv_python(root)
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text("")
    return python


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "a föld er"
    folder.mkdir()
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(bootstrap.ROOT / name, folder)
    return folder


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "platform", "linux")


def install_once(root: Path, **answers: Answer) -> Recorder:
    run = Recorder(root, dict(answers))
    bootstrap.install(root, VERSION, run)
    return run


def test_the_first_installation_makes_all_and_the_second_starts_nothing(root: Path) -> None:
    first = install_once(root)
    assert first.said("-m venv")
    assert first.said("--no-deps --requirement requirements.lock")
    assert first.said("--editable .")
    assert install_once(root).commands == []


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_list_installs_again_without_a_new_environment(root: Path, name: str) -> None:
    install_once(root)
    with (root / name).open("a", encoding="utf-8") as file:
        file.write("# another\n")
    again = install_once(root)
    assert again.said("requirements.lock")
    assert not again.said("-m venv")


def test_the_digest_tells_pythons_and_places_apart(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(root, elsewhere)
    digests = {
        bootstrap.installation_digest(folder, version)
        for folder in (root, elsewhere)
        for version in ((3, 11), (3, 12))
    }
    assert len(digests) == 4


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"digest": "another"}'])
def test_a_damaged_or_foreign_stamp_does_not_count(root: Path, stamp: str) -> None:
    install_once(root)
    (root / ".venv" / "bootstrap.json").write_text(stamp)
    assert install_once(root).said("requirements.lock")


@pytest.mark.parametrize("step", ["torch", "--requirement", "--editable"])
@pytest.mark.parametrize("failure", [(1, "boom"), KeyboardInterrupt])
def test_an_unfinished_installation_is_taken_up_again(
    root: Path, step: str, failure: Answer
) -> None:
    with pytest.raises((bootstrap.BootstrapError, KeyboardInterrupt)):
        bootstrap.install(root, VERSION, Recorder(root, {"metadata": (1, ""), step: failure}))
    assert not (root / ".venv" / "bootstrap.json").exists()
    again = install_once(root)
    assert not again.said("-m venv")
    assert again.said("--editable .")


def test_a_half_made_environment_is_made_anew(root: Path) -> None:
    (root / ".venv" / "lib").mkdir(parents=True)
    assert install_once(root).said("-m venv")
    assert not (root / ".venv" / "lib").exists()


def test_an_environment_of_another_python_or_without_pip_is_made_anew(root: Path) -> None:
    make_venv(root)
    marker = root / ".venv" / "old"
    marker.touch()
    assert install_once(root, **{"import sys, pip": (1, "")}).said("-m venv")
    assert not marker.exists()


def test_a_working_environment_is_adopted(root: Path) -> None:
    make_venv(root)
    run = install_once(root)
    assert not run.said("-m venv")
    assert bootstrap.is_installed(root, bootstrap.installation_digest(root, VERSION))


def package(site_packages: Path, name: str, content: str = "x = 1\n") -> Path:
    (site_packages / f"{name}.py").write_text(content)
    folder = site_packages / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "RECORD").write_text(
        f"{name}.py,sha256=abc,{len(content)}\n{name}-1.0.dist-info/RECORD,,\n__pycache__/gone.pyc,,\n"
    )
    return folder


BREAKS: dict[str, Callable[[Path], object]] = {
    "no record": lambda folder: (folder / "RECORD").unlink(),
    "empty record": lambda folder: (folder / "RECORD").write_text(""),
    "binary record": lambda folder: (folder / "RECORD").write_bytes(b"\xff\xfe"),
    "missing file": lambda folder: (folder.parent / "broken.py").unlink(),
    "short file": lambda folder: (folder.parent / "broken.py").write_text("x"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_incomplete_packages_are_forgotten_and_whole_ones_kept(tmp_path: Path, how: str) -> None:
    whole = package(tmp_path, "whole")
    broken = package(tmp_path, "broken")
    leftover = tmp_path / "~umpy"
    leftover.mkdir()
    BREAKS[how](broken)
    assert bootstrap.remove_broken_packages(tmp_path) == ["broken-1.0.dist-info"]
    assert whole.exists()
    assert not broken.exists()
    assert not leftover.exists()


def test_without_a_gpu_the_cpu_build_of_torch_is_taken(root: Path) -> None:
    run = install_once(root, metadata=(1, ""))
    pin = bootstrap.read_lock(root)["torch"]
    assert run.said(f"--no-deps {pin}+cpu")
    assert not run.said("--constraint")


def test_without_a_cpu_build_the_general_one_comes_with_its_libraries(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = install_once(root, **{"metadata": (1, ""), "+cpu": (1, "No matching distribution found")})
    assert run.said(f"--constraint requirements.lock {bootstrap.read_lock(root)['torch']}")
    assert "PIP_EXTRA_INDEX_URL" in capsys.readouterr().out


def test_an_unreachable_index_is_not_taken_for_a_missing_build(root: Path) -> None:
    offline = (1, "NewConnectionError ... No matching distribution found for torch")
    run = Recorder(root, {"metadata": (1, ""), "+cpu": offline})
    with pytest.raises(bootstrap.BootstrapError, match="could not be reached"):
        bootstrap.install(root, VERSION, run)
    assert not run.said("--constraint")


def test_with_an_nvidia_gpu_torch_comes_with_cuda(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    run = install_once(root, metadata=(1, ""))
    assert run.said("--constraint requirements.lock torch")
    assert not run.said("+cpu")


def test_a_driver_that_does_not_answer_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    assert not bootstrap.has_nvidia_gpu(Recorder(Path(), {"nvidia-smi": (9, "")}))


def test_an_installed_torch_is_left_alone(root: Path) -> None:
    assert not any(re.search(r"pip install .*torch==", c) for c in install_once(root).commands)


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("ERROR: [Errno 28] No space left on device", "disk is full"),
        ("Retrying ... NewConnectionError: getaddrinfo failed", "could not be reached"),
        ("SSLError(certificate verify failed)", "PIP_CERT"),
        ("ERROR: No matching distribution found for vtk==9", "x86-64"),
        ("Permission denied: 'x'", "cannot be written"),
        ("something else", "goes on from here"),
    ],
)
def test_failures_say_what_to_do_and_what_the_installer_said(output: str, advice: str) -> None:
    message = bootstrap.explain_failure(f"first line\n{output}\n", "Not finished.")
    assert advice in message
    assert output in message


def test_a_full_disk_is_noticed_before_anything_is_fetched(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(root)._replace(free=2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    run = Recorder(root)
    with pytest.raises(bootstrap.BootstrapError, match=r"1\.0 GiB are free"):
        bootstrap.install(root, VERSION, run)
    assert run.commands == []


def test_without_another_python_an_unsupported_one_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Recorder(Path())
    assert bootstrap.main(["test"], version=(3, 14), run=run) == 1
    said = capsys.readouterr().err
    assert "This is Python 3.14" in said
    assert "3.11, 3.12 or 3.13" in said
    assert run.commands == []


def test_a_supported_python_on_the_path_takes_over_and_its_exit_code_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {"python3.12": "/shims/python3.12", "python3.13": "/bin/python3.13"}
    monkeypatch.setattr(shutil, "which", found.get)
    run = Recorder(Path(), {"/shims/": (127, "not installed"), "demo --seed 3": (7, "")})
    assert bootstrap.main(["demo", "--seed", "3"], version=(3, 9), run=run) == 7
    assert run.commands[-1].startswith("/bin/python3.13 ")


def test_a_name_on_the_path_that_cannot_start_is_passed_over() -> None:
    run = Recorder(Path(), {"/a": OSError})
    assert bootstrap.find_python([["/a"], ["/b", "-3.12"]], run) == ["/b", "-3.12"]


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--help"], 0), (["tset"], 2)])
def test_help_lists_every_command_and_an_unknown_one_is_a_usage_error(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bootstrap.main(arguments, run=Recorder(Path())) == code
    said = capsys.readouterr()
    assert all(f"\n  {command}" in said.out + said.err for command in bootstrap.COMMANDS)
    assert ("'tset'" in said.err) == (code == 2)


def test_every_check_runs_even_if_one_fails_and_the_failure_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Recorder(Path(), {"-m mypy": (1, "")})
    assert bootstrap.dispatch("test", ["-k", "geometry"], run) == 1
    assert len(run.commands) == 5
    assert run.commands[-1].endswith("pytest -k geometry")
    assert "mypy           FAILED (exit code 1)" in capsys.readouterr().out
    assert bootstrap.dispatch("test", [], Recorder(Path())) == 0


@pytest.mark.parametrize(
    ("command", "starts"),
    [
        ("lint", ["ruff check .", "ruff format --check .", "lint_imports_command()"]),
        ("typecheck", ["mypy"]),
        ("format", ["ruff check --fix .", "ruff format ."]),
        ("demo", ["CrossModalSegLib demo --output my demo"]),
        ("run", ["CrossModalSegLib --output my demo"]),
    ],
)
def test_each_command_starts_what_it_says(command: str, starts: list[str]) -> None:
    run = Recorder(Path())
    assert bootstrap.dispatch(command, ["--output", "my demo"], run) == 0
    assert len(run.commands) == len(starts)
    assert all(line.endswith(end) for line, end in zip(run.commands, starts, strict=True))


def test_paths_on_the_command_line_are_relative_to_where_the_user_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Recorder(Path())
    bootstrap.dispatch("run", ["segment"], run)
    bootstrap.dispatch("typecheck", [], run)
    assert run.folders == [tmp_path, bootstrap.ROOT]


def test_an_interruption_ends_with_130(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", root)
    run = Recorder(root, {"-m venv": KeyboardInterrupt})
    assert bootstrap.main(["test"], version=VERSION, run=run) == bootstrap.INTERRUPTED


def test_clean_removes_caches_and_keeps_the_environment_unless_asked(
    monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", root)
    for name in (".mypy_cache", "CrossModalSegLib/core/__pycache__", "demo-output", ".venv"):
        (root / name).mkdir(parents=True)
    assert bootstrap.main(["clean"]) == 0
    assert not (root / ".mypy_cache").exists()
    assert not (root / "CrossModalSegLib/core/__pycache__").exists()
    assert (root / ".venv").exists()
    assert bootstrap.main(["clean", "--all"]) == 0
    assert not (root / ".venv").exists()
    assert not (root / "demo-output").exists()


def test_the_real_runner_passes_output_and_exit_codes_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    program = "import sys; print('Downloading vtk-9.6-x.whl (145.6 MB)'); print('ö'); sys.exit(5)"
    assert bootstrap.run_process([sys.executable, "-c", program])[0] == 5
    assert "ö" in capfd.readouterr().out
    code, text = bootstrap.run_process([sys.executable, "-c", program], quiet=True)
    assert code == 5
    assert "ö" in text
    assert capfd.readouterr().out == "    fetching vtk (145.6 MB)\n"


def test_bootstrap_needs_nothing_but_the_standard_library() -> None:
    # -S hides everything that is installed.
    command = [sys.executable, "-S", "bootstrap.py", "--help"]
    subprocess.run(command, cwd=bootstrap.ROOT, check=True, stdout=subprocess.DEVNULL)
