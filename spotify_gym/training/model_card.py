"""Model card of a run folder (Mitchell et al. 2019): what learned from which data, what it earns, how to repeat it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from spotify_gym.catalogue.files import replacing
from spotify_gym.training.config import TrainConfig
from spotify_gym.training.run_folder import RunFolder

_CARD = """\
---
library_name: stable-baselines3
tags: [reinforcement-learning, recommender-system, music, spotify_gym]
---

# {learner} in {env}

Made by spotify_gym for listening sessions in which one track after another is recommended out of a whole catalogue.

- **What**: {learner} ({algorithm}, {policy}), {steps:,} environment steps, seed {seed}, state
  `{state}`{discount}. All settings are in `config.json`.
- **Data**: {source}, {n_tracks:,} tracks{synthetic}, fingerprint `{fingerprint}`.
- **Made with**: `{command}`, {versions}.

## Numbers

{numbers}

## Use

```python
from spotify_gym.training import load_run

run = load_run("{folder}")  # reads JSON and safetensors, nothing that could run code
```

`spotify-gym recommend {folder} --history ...` names what to play next, and `spotify-gym app {folder}` opens a
page to listen in.

## What it is not for

It has learned to play a game whose reward is the likeness of audio features, with a modelled listener. That it pleases
people has not been tried.
"""


def mean_return(model: BaseAlgorithm) -> float:
    """Return the mean return of the last 100 sessions, exploration included; NaN before the first has ended."""
    returns = [episode["r"] for episode in model.ep_info_buffer or ()]
    return float(np.mean(returns)) if returns else np.nan


def earned_by(model: BaseAlgorithm, stopped: bool) -> str:
    """Say what the training came to."""
    when = f"{'Stopped' if stopped else 'Finished'} after {model.num_timesteps:,} steps"
    earned = mean_return(model)
    told = "" if math.isnan(earned) else f"; mean return of the last 100 sessions, exploration included: {earned:.2f}"
    return f"{when}{told}. `spotify-gym evaluate` puts what it earns in held-out sessions here."


def write_card(folder: RunFolder, config: TrainConfig, numbers: str) -> None:
    """Write README.md of a run folder, where model hubs look for it.

    Args:
        folder: of the run.
        config: its settings.
        numbers: what it earns, as Markdown.
    """
    meta = folder.meta
    facts: dict[str, Any] = {name: getattr(config, name) for name in ("env", "algorithm", "policy", "state")}
    text = _CARD.format(
        **facts,
        learner=config.learner.title,
        discount=f", γ = {config.gamma:g}" if config.is_q_learner else "",
        steps=config.total_steps,
        seed=config.seed,
        source=Path(str(meta["catalogue"].get("source"))).name,
        n_tracks=meta["catalogue"].get("n_tracks"),
        synthetic=" (synthetic)" if meta["catalogue"].get("synthetic") else "",
        fingerprint=meta["catalogue"].get("fingerprint"),
        command=_typed(meta.get("command", [])),
        versions=", ".join(f"{name} {version}" for name, version in meta.get("versions", {}).items()),
        numbers=numbers,
        folder=folder.path.name,
    )
    with folder.writing(), replacing(folder.path / "README.md") as file:
        file.write(text.encode())


def _typed(command: Sequence[str]) -> str:
    """Return a command as it was typed, the program by its name alone."""
    return shlex.join([Path(word).name if not place else word for place, word in enumerate(command)])
