"""What a training run leaves on disk, and the rules of touching it.

config.json                  the settings, all that `--resume` and `load_run` need besides the catalogue
meta.json                    command, versions, commit, catalogue
weights.safetensors          the networks; what this program loads
weights-0.1.safetensors      the same after a tenth of the training, where that was asked for
model.zip                    the same for Stable-Baselines3; loading it can run code that is in it
q_network_checkpoint.pth     the online Q-network as a plain PyTorch state dict
progress.csv                 SB3's log of the training; learning_curve.png shows it
monitor.csv                  a row for each session, as SB3's Monitor writes it
checkpoint.safetensors       all that training depends on, while it is not finished
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
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
    """Whether it may name code to import, and hold code to unpickle."""

    @classmethod
    def open(cls, path: Path, trust: bool = False) -> RunFolder:
        """Open the folder of an earlier run, which may be a stranger's, unless one is to `trust` it.

        Raises:
            RunError: there is no run, or something in it leads out of it.
        """
        folder = cls(path, trust)
        if not folder.config_file.is_file():
            raise RunError(f"{path} holds no run: there is no config.json in it")
        if links := [entry.name for entry in path.iterdir() if entry.is_symlink()]:
            raise RunError(f"{path / links[0]} is a link; a run folder must hold its files itself")
        if pipes := [entry.name for entry in path.iterdir() if not (entry.is_file() or entry.is_dir())]:
            raise RunError(f"{path / pipes[0]} is a pipe or a device; a run folder holds files")
        return folder

    @property
    def config_file(self) -> Path:
        """Where the settings are."""
        return self.path / "config.json"

    def weights_file(self, share: float | None = None) -> Path:
        """Where the networks are; or as they were after a share of the training, in [0, 1]."""
        return self.path / ("weights.safetensors" if share is None else f"weights-{share:g}.safetensors")

    @property
    def checkpoint_file(self) -> Path:
        """Where an unfinished training goes on from."""
        return self.path / "checkpoint.safetensors"

    @property
    def snapshots(self) -> tuple[float, ...]:
        """The shares of the training at which the networks were kept, in order."""
        found = (re.fullmatch(r"weights-([01]|0\.\d+)", file.stem) for file in self.path.glob("weights-*.safetensors"))
        return tuple(sorted(float(match[1]) for match in found if match))

    @property
    def is_finished(self) -> bool:
        """Whether the training came to its end: the weights are the last thing written, the checkpoint then goes."""
        return self.weights_file().exists() and not self.checkpoint_file.exists()

    @property
    def config(self) -> TrainConfig:
        """The settings.

        Raises:
            RunError: they are damaged or not allowed.
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
        """What is known of how the run came about."""
        meta = self._read_json("meta.json")
        if not isinstance(meta, dict) or not isinstance(meta.get("catalogue"), dict):
            raise RunError(f"{self.path / 'meta.json'} does not say which catalogue the run learned from")
        return meta

    def begin(self, config: TrainConfig, catalogue: Catalogue) -> TrainConfig:
        """Make this the folder of a new run, and return its settings; to be called under the lock.

        Raises:
            RunError: there is a run already, or the folder cannot be written to.
        """
        if self.config_file.exists():
            raise RunError(
                f"{self.path} already holds a run; go on with --resume {self.path}, or choose another folder"
            )
        if (file := located(config.catalogue)).is_file():  # to be found from any folder
            config = replace(config, catalogue=str(file))
        with self.writing():
            for left_over in (self.checkpoint_file, *self.path.glob("weights-*.safetensors")):
                left_over.unlink(missing_ok=True)
            self._write_json("meta.json", {**circumstances(), "catalogue": _described(catalogue)})
            self._write_json("config.json", config.to_json())  # last: it is what makes the folder a run
        return config

    def reopen(self, catalogue: Catalogue) -> TrainConfig:
        """Return the settings of a run that is to go on; to be called under the lock.

        Raises:
            RunError: it is finished, or began with another catalogue.
        """
        if self.is_finished:
            raise RunError(f"{self.path} is finished; there is nothing to resume")
        before, now = self.meta["catalogue"].get("fingerprint"), catalogue.fingerprint
        if before != now:
            raise RunError(
                f"{self.path} learned from a catalogue with fingerprint {before}, and {catalogue.source} has {now}; "
                "bring that catalogue back, or begin a new run"
            )
        return self.config

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from training in this folder, and clear away what a killed one left half written.

        Raises:
            RunError: another process is training in it, or it cannot be written to.
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
        """Turn what the system says of a failed write into one message.

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
                raise RunError(f"{file} is too long to be one of ours")
            return json.loads(file.read_bytes())
        except OSError as error:
            raise RunError(f"cannot read {file}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise RunError(f"{file} is damaged: {error}") from error


def _described(catalogue: Catalogue) -> dict[str, Any]:
    """Return what identifies a catalogue and scales another one alike, as plain values."""
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
    """Return how this process came about, as plain values."""
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
    """Return the commit of the source this program runs from, "-dirty" where it was changed; None outside of git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    try:  # nothing in the command comes from a user
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
