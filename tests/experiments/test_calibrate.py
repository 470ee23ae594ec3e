from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments import calibrate
from spotify_gym.listeners import SkippingListener

SETTING = ["--catalogue", "builtin:2000", "--n-sessions", "2000"]


def test_log__goes_from_a_simulated_log_back_to_its_listener(tmp_path, capsys):
    hidden = SkippingListener(position=(0.5, 0.2, 0.0, -0.2, -0.4), last_skip=1.0, recent_skips=0.5, mood_sd=0.8)
    hidden.to_json(tmp_path / "hidden.json")
    here = ["--out", str(tmp_path)]
    calibrate.main(["simulate", "--listener", str(tmp_path / "hidden.json"), *here, *SETTING, "--seed", "1"])
    calibrate.main(["log", str(tmp_path / "sessions.csv"), *here, *SETTING])
    found = SkippingListener.from_json(tmp_path / "listener.json")
    np.testing.assert_allclose(found.position, hidden.position, atol=0.25)
    assert found.last_skip == pytest.approx(1.0, abs=0.2)
    assert found.recent_skips == pytest.approx(0.5, abs=0.1)
    assert found.mood_sd == pytest.approx(0.8, abs=0.15)
    report = (tmp_path / "report.md").read_text()
    assert all(part in report for part in ("## Fit", "log-loss", "## Calibration", "## Facts", "## Listener"))
    assert "log-loss=" in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "calibration.csv").shape == (10, 3)
    assert (tmp_path / "calibration.png").exists()


def test_log__that_is_malformed_ends_with_one_line(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text("session_id,session_position\na,1\n")
    assert calibrate.main(["log", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"error: {path} has no column session_length" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(("position", "complaint"), [("-50", "is False in every row"), ("50", "is True in every row")])
def test_log__with_nothing_to_learn_is_refused(tmp_path, position, complaint, capsys):
    SkippingListener(position=(float(position),)).to_json(tmp_path / "listener.json")
    here = ["--out", str(tmp_path), "--catalogue", "builtin:500", "--n-sessions", "60"]
    calibrate.main(["simulate", "--listener", str(tmp_path / "listener.json"), *here])
    assert calibrate.main(["log", str(tmp_path / "sessions.csv")]) == 2
    assert complaint in capsys.readouterr().err


def test_log__too_short_is_refused(tmp_path, capsys):
    calibrate.main(["simulate", "--out", str(tmp_path), "--catalogue", "builtin:500", "--n-sessions", "7"])
    assert calibrate.main(["log", str(tmp_path / "sessions.csv")]) == 2
    assert "has 7 sessions; a fit needs 50 or more" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["facts"], ["log"], ["simulate"]])
def test_help__says_what_there_is(command, capsys):
    with pytest.raises(SystemExit) as end:
        calibrate.main([*command, "--help"])
    assert end.value.code == 0
    assert "python -m experiments.calibrate" in capsys.readouterr().out


def test_held_out__must_leave_both_parts_something(capsys):
    assert calibrate.main(["log", "sessions.csv", "--held-out", "1"]) == 2
    assert "held_out=1.0" in capsys.readouterr().err
