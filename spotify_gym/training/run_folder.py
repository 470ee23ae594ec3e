"""Run folder: the files of a training run, with locking and safe reading.

config.json                  the settings, all that `--resume` and `load_run` need besides the catalogue
meta.json                    command, versions, commit, catalogue
weights.safetensors          the networks; the file that this package loads
weights-0.1.safetensors      snapshot after a tenth of the training, if requested
model.zip                    the model for Stable-Baselines3; loading it can execute code that it contains
q_network_checkpoint.pth     the online Q-network as a plain PyTorch state dict
progress.csv                 SB3's training log; learning_curve.png plots it
monitor.csv                  a row per session, in the format of SB3's Monitor
checkpoint.safetensors       the complete training state, until the training is finished
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from spotify_gym.catalogue import Catalogue, located
from spotify_gym.catalogue.files import replacing
from spotify_gym.training.config import ConfigError, TrainConfig
from spotify_gym.training.tensors import RunError

_LIBRARIES = ("spotify_gym", "gymnasium", "numpy", "stable-baselines3", "torch")
_LONGEST_JSON = 1_000_000  # bytes; ours are a few thousand


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one training run."""

    path: Path
    trust: bool = False
    """Whether code named or contained in the folder may be imported or unpickled."""

    @classmethod
    def open(cls, path: Path, trust: bool = False) -> RunFolder:
        """Open the folder of an existing run; without `trust`, safe for untrusted folders.

        Raises:
            RunError: there is no run, or an entry is a link, a pipe or a device.
        """
        folder = cls(path, trust)
        if not folder.config_file.is_file():
            raise RunError(f"{path} is not a run folder: config.json not found")
        if links := [entry.name for entry in path.iterdir() if entry.is_symlink()]:
            raise RunError(f"{path / links[0]} is a link; a run folder must hold its files itself")
        if pipes := [entry.name for entry in path.iterdir() if not (entry.is_file() or entry.is_dir())]:
            raise RunError(f"{path / pipes[0]} is a pipe or a device; a run folder holds files")
        return folder

    @property
    def config_file(self) -> Path:
        """Path of the settings."""
        return self.path / "config.json"

    def weights_file(self, share: float | None = None) -> Path:
        """Return the path of the final weights, or of the snapshot at a share of the training, in [0, 1]."""
        return self.path / ("weights.safetensors" if share is None else f"weights-{share:g}.safetensors")

    @property
    def checkpoint_file(self) -> Path:
        """Path of the checkpoint of an unfinished training."""
        return self.path / "checkpoint.safetensors"

    @property
    def snapshots(self) -> tuple[float, ...]:
        """Shares of the training with a saved snapshot, ascending."""
        found = (re.fullmatch(r"weights-([01]|0\.\d+)", file.stem) for file in self.path.glob("weights-*.safetensors"))
        return tuple(sorted(float(match[1]) for match in found if match))

    @property
    def is_finished(self) -> bool:
        """Whether the training is finished: the weights are written last, then the checkpoint is deleted."""
        return self.weights_file().exists() and not self.checkpoint_file.exists()

    @property
    def config(self) -> TrainConfig:
        """The settings.

        Raises:
            RunError: the settings are damaged or not allowed.
        """
        try:
            config = TrainConfig.from_json(self._read_json("config.json"))
        except ConfigError as error:
            raise RunError(f"{self.config_file}: {error}") from error
        if config.own_code and not self.trust:
            raise RunError(
                f"{self.config_file} names {config.own_code[0]!r}, and importing that can run any code that is in it; "
                "pass --trust if you know where it comes from"
            )
        return config

    @property
    def meta(self) -> dict[str, Any]:
        """Metadata of the run: command, versions, commit and catalogue."""
        meta = self._read_json("meta.json")
        if not isinstance(meta, dict) or not isinstance(meta.get("catalogue"), dict):
            raise RunError(f"{self.path / 'meta.json'} does not say which catalogue the run learned from")
        return meta

    def begin(self, config: TrainConfig, catalogue: Catalogue) -> TrainConfig:
        """Begin a new run in this folder and return its settings; call it while holding the lock.

        Raises:
            RunError: the folder already holds a run, or cannot be written to.
        """
        if self.config_file.exists():
            on = f"--resume {shlex.quote(str(self.path))}"
            raise RunError(f"{self.path} already holds a run; go on with {on}, or choose another folder")
        if (file := located(config.catalogue)).is_file():  # so that it is found from any working directory
            config = replace(config, catalogue=str(file))
        with self.writing():
            for left_over in (self.checkpoint_file, *self.path.glob("weights-*.safetensors")):
                left_over.unlink(missing_ok=True)
            self._write_json("meta.json", {**circumstances(), "catalogue": _described(catalogue)})
            self._write_json("config.json", config.to_json())  # last: its presence marks the folder as a run
        return config

    def reopen(self, catalogue: Catalogue) -> TrainConfig:
        """Return the settings of a run to resume; call it while holding the lock.

        Raises:
            RunError: the run is finished, or was begun with another catalogue.
        """
        if self.is_finished:
            raise RunError(f"{self.path} is finished; there is nothing to resume")
        before, now = self.meta["catalogue"].get("fingerprint"), catalogue.fingerprint
        if before != now:
            raise RunError(
                f"{self.path} was trained on a catalogue with fingerprint {before}, but {catalogue.source} has {now}; "
                "use that catalogue, or begin a new run"
            )
        return self.config

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder against other training processes, and delete temporary files that a killed one left.

        Raises:
            RunError: another process holds the lock, or the folder cannot be written to.
        """
        with ExitStack() as held:
            with self.writing():
                self.path.mkdir(parents=True, exist_ok=True)
                try:
                    held.enter_context(FileLock(self.path / ".lock", timeout=0))
                except Timeout:
                    raise RunError(
                        f"another process is training in {self.path}; wait for it, or choose another folder"
                    ) from None
                for unfinished in self.path.glob(".*.tmp"):
                    unfinished.unlink()
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Convert the operating system's write errors into one message.

        Raises:
            RunError: the disk is full, the folder is read-only, ...
        """
        try:
            yield
        except OSError as error:
            raise RunError(
                f"cannot write to {self.path}: {error.strerror or error}; what was saved before is intact"
            ) from error

    def _write_json(self, name: str, plain: Any) -> None:
        with replacing(self.path / name) as file:
            file.write(json.dumps(plain, indent=2).encode() + b"\n")

    def _read_json(self, name: str) -> Any:
        file = self.path / name
        try:
            if file.stat().st_size > _LONGEST_JSON:
                raise RunError(f"{file} is too large for a run folder")
            return json.loads(file.read_bytes())
        except OSError as error:
            raise RunError(f"cannot read {file}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise RunError(f"{file} is damaged: {error}") from error


def _described(catalogue: Catalogue) -> dict[str, Any]:
    """Return the identity and the scaling of a catalogue as plain values."""
    return {
        "source": catalogue.source,
        "synthetic": catalogue.synthetic,
        "n_tracks": len(catalogue),
        "fingerprint": catalogue.fingerprint,
        "coordinates": catalogue.coordinates,
        "feature_names": list(catalogue.feature_names),
        "scaling": catalogue.scaling.plain,
    }


def circumstances() -> dict[str, Any]:
    """Return command, time, commit, versions and machine of this process as plain values."""
    return {
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}},
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
    }


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the git commit of the source, with "-dirty" if it has changes; None outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    try:  # nothing in the command comes from a user
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
