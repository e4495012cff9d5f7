"""The Dockerfile's steps, done without a Docker engine: in an empty folder, with an environment of
its own in the place of the base image's Python.

What other images give (`COPY --from`) is not to be had here; it is noted, and left out.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from tests.support.repository import ROOT, copy_to

# Nobody, as a user id, where this process may become another user.
_NOBODY: Final = 65_534


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile and what follows each, continued lines joined."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(kept).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name, rest.strip()


@dataclass
class Image:
    """What the steps have made so far.

    Attributes:
        folder: stands for the image's root.
        context: the files that may be copied.
        arguments: values of ARG.
        environment: what ENV has set.
        workdir: where RUN runs.
        entrypoint: what a container starts.
        foreign: what was to be copied from other images, by its place.
    """

    folder: Path
    context: Path
    arguments: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @property
    def bin(self) -> Path:
        """Of the environment that stands for the base image's Python."""
        return self.folder / "venv" / "bin"

    @property
    def _base(self) -> Path:
        return self.folder / "python"

    def at(self, path: str) -> Path:
        """A path of the image on this machine's disk."""
        return self.folder / "root" / str(PurePosixPath(self.workdir, path)).lstrip("/")

    def build(self, dockerfile: str) -> None:
        """Do all steps.

        Raises:
            CalledProcessError: if a RUN fails.
            AttributeError: if there is an instruction that nobody has thought of.
        """
        _copy_python(self._base)
        command = [str(self._base / "bin" / "python"), "-m", "venv", str(self.folder / "venv")]
        subprocess.run(command, env=self._surroundings({}), check=True)
        self.at("/").mkdir(parents=True)
        for name, rest in instructions(dockerfile):
            getattr(self, f"_{name.lower()}")(rest)

    def _from(self, rest: str) -> None:
        """The last stage is the image; those before it only give files."""

    def _arg(self, rest: str) -> None:
        for name, _, value in (word.partition("=") for word in shlex.split(rest)):
            self.arguments.setdefault(name, value)

    def _env(self, rest: str) -> None:
        for name, _, value in (word.partition("=") for word in shlex.split(rest)):
            found = re.sub(r"\$\{(\w+)\}", lambda match: self.arguments[match[1]], value)
            self.environment[name] = found

    def _workdir(self, rest: str) -> None:
        self.workdir = rest
        self.at(rest).mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        *sources, target = shlex.split(rest)
        if sources[0].startswith("--from="):
            self.foreign.append(target)
            return
        place = self.at(target)
        for name in sources:
            source = self.context / name
            if source.is_dir():
                shutil.copytree(source, place, dirs_exist_ok=True)
            elif target.endswith("/"):
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, place)
            else:
                shutil.copy(source, place)

    def _run(self, rest: str) -> None:
        subprocess.run(
            ["sh", "-ec", rest], cwd=self.at("."), env=self._surroundings({}), check=True
        )

    def _entrypoint(self, rest: str) -> None:
        self.entrypoint = json.loads(rest)

    def _surroundings(self, more: Mapping[str, str]) -> dict[str, str]:
        """Of a process in the image: nothing of this one's but how pip finds its index."""
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        own = {
            "PATH": f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "LD_LIBRARY_PATH": str(self._base / "lib"),
            "HOME": "/nonexistent",
        }
        return {**kept, **own, **self.environment, **more}

    def start(
        self, parameters: Sequence[str], cwd: Path, environment: Mapping[str, str], **options: Any
    ) -> subprocess.Popen[str]:
        """Start the launcher's file as the launcher does, as nobody if this process may."""
        file = self.at(self.environment["FLEX_TEMPLATE_PYTHON_PY_FILE"])
        other = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if not os.geteuid() else {}
        return subprocess.Popen(
            [self.bin / "python", str(file), *parameters],
            cwd=cwd,
            env=self._surroundings(environment),
            text=True,
            stdout=subprocess.PIPE,
            **{"stderr": subprocess.PIPE, **other, **options},
        )

    def launch(
        self, *parameters: str, cwd: Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the launcher's file to its end."""
        with self.start(parameters, cwd, environment) as process:
            printed, said = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, printed, said)


def _copy_python(folder: Path) -> None:
    """A copy of this interpreter: it itself may lie where no other user gets."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix)
    (folder / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.base_exec_prefix, "bin", name), folder / "bin" / "python")
    skipped = shutil.ignore_patterns("site-packages", "dist-packages", "test", "__pycache__")
    shutil.copytree(base / "lib" / name, folder / "lib" / name, symlinks=True, ignore=skipped)
    for library in (base / "lib").glob(f"lib{name}.so*"):
        shutil.copy(library, folder / "lib")


def build_context(folder: Path) -> Path:
    """A copy of the files that an image is built from: git's, as far as .dockerignore lets in."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return copy_to(folder, {line.removeprefix("!") for line in lines if line.startswith("!")})
