"""Recommend from Python in ten lines, without a server: train or load a run, name the tracks heard, get the next."""

from spotify_gym.training import TrainConfig, find_tracks, recommend, train

run = train(
    TrainConfig(env="SpotifyPlaylist-v0", algorithm="double", catalogue="builtin:5000", steps=500, learning_starts=100)
)
# or, of an earlier training: run = load_run(Path("runs/first"))
units = run.catalogue.unit_features
alike = (-units @ units[10]).argsort()[:5]  # five tracks that sound similar, by their names:
names = [run.catalogue.label(track) for track in alike]
history = find_tracks(run.catalogue, names)
for suggestion in recommend(run, history, top=5):
    print(f"{suggestion.similarity:+.2f} to the vibe: {suggestion.label}")
