"""Test of the wheel without a checkout, bare and with the extras; run by `nox -s wheel`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import gymnasium as gym

COMMAND = str(Path(sys.executable).with_name("spotify-gym"))
START = "builtin-0-0000001,builtin-0-0000002,builtin-0-0000003,builtin-0-0000004,builtin-0-0000005"
PORT = 8917


def bare() -> None:
    """Play without extras; check that each command names the extra that it needs."""
    env = gym.make("spotify_gym:SpotifySkip-v0", catalogue="builtin:500")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    for command, extra in {"app": "app", "train": "train", "evaluate": "train", "recommend": "train"}.items():
        told = subprocess.run([COMMAND, command, "run"], capture_output=True, text=True, check=False)
        assert told.returncode == 2, told
        assert f'pip install "spotify_gym[{extra}]"' in told.stderr, told.stderr
        print(told.stderr, end="")


def whole() -> None:
    """Train, recommend, film and open the page."""
    quick = ["--catalogue", "builtin:500", "--steps", "200", "--learning-starts", "16"]
    subprocess.run([COMMAND, "train", *quick, "--out", "run"], check=True)
    subprocess.run([COMMAND, "recommend", "run", "--history", START], check=True)
    env = gym.make("spotify_gym:SpotifySession-v0", catalogue="builtin:500", render_mode="rgb_array")
    with gym.wrappers.RecordVideo(env, "video", disable_logger=True) as filmed:
        filmed.reset(seed=0)
        while not filmed.step(0)[3]:
            pass
    assert list(Path("video").glob("*.mp4"))
    with subprocess.Popen([COMMAND, "app", "run", "--port", str(PORT)]) as server:
        try:
            assert b"<html" in page()
        finally:
            server.send_signal(signal.SIGINT)


def page() -> bytes:
    for _ in range(120):
        try:
            with urlopen(f"http://127.0.0.1:{PORT}") as answer:
                return answer.read()
        except URLError:
            time.sleep(0.5)
    raise TimeoutError("the page did not open within a minute")


if __name__ == "__main__":
    {"bare": bare, "whole": whole}[sys.argv[1]]()
