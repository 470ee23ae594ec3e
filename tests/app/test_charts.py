from __future__ import annotations

import json

import numpy as np

from spotify_gym.app.charts import map_chart, radar_chart, time_chart
from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.pca_map import PcaMap


def test_map__follows_the_session(session: ListeningSession) -> None:
    pca_map = PcaMap.of(session.dynamics.catalogue)
    assert len(map_chart(pca_map, session)["datasets"]["start"]) == 1
    session.listened()
    session.skip()
    data = map_chart(pca_map, session)["datasets"]
    assert len(data["path"]) == 3
    np.testing.assert_allclose(data["path"].to_pandas()[["x", "y"]], pca_map.locate(np.array(session.vibes)))
    assert data["path"]["newest"].to_pylist() == [False, False, True]
    assert len(data["heard"]) == 6
    assert data["offers"]["track"].to_pylist() == [
        session.dynamics.catalogue.label(offer.track) for offer in session.offers()
    ]


def test_radar__puts_each_feature_on_its_spoke() -> None:
    data = radar_chart(("a", "b", "c", "d"), np.array([1.0, 0, 1, 0]), np.array([0, 1.0, 0, 0]))["datasets"]
    shapes = data["shapes"].to_pandas()
    assert shapes["series"].unique().tolist() == ["your vibe", "next track"]
    np.testing.assert_allclose(shapes[["x", "y"]].iloc[[0, 2, 5]], [[0, 1], [0, -1], [1, 0]], atol=1e-9)
    assert len(radar_chart(("a", "b", "c"), np.ones(3), None)["datasets"]["shapes"]) == 3


def test_time__tells_skips_from_listens(session: ListeningSession) -> None:
    session.listened()
    session.skip()
    plays = time_chart(session)["datasets"]["plays"].to_pandas()
    assert plays["answer"].tolist() == ["listened", "skipped"]
    assert plays["reward"].iloc[1] == 0
    assert plays["similarity"].tolist() == [play.similarity for play in session.plays]


def test_charts__stay_the_same_but_for_their_data(session: ListeningSession) -> None:
    pca_map = PcaMap.of(session.dynamics.catalogue)

    def specification() -> str:
        charts = map_chart(pca_map, session), radar_chart(("a", "b", "c"), session.vibe[:3], None), time_chart(session)
        return json.dumps([{key: value for key, value in chart.items() if key != "datasets"} for chart in charts])

    before = specification()
    session.listened()
    assert specification() == before  # so that the browser only swaps the data
