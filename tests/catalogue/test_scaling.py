import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from spotify_gym.catalogue import CatalogueError, Scaling

RAW = np.array([[0.0, 10.0], [1.0, 10.0], [5.0, 10.0]])


def test_standard__is_worked_by_hand() -> None:
    scaling = Scaling.fit(RAW, "standard")
    assert scaling.centre == pytest.approx([2, 10])
    assert scaling.scale == pytest.approx([np.sqrt(14 / 3), 1])
    assert scaling.apply([2, 10]).tolist() == [0, 0]


def test_minmax__is_worked_by_hand() -> None:
    scaling = Scaling.fit(RAW, "minmax")
    np.testing.assert_allclose(scaling.apply(RAW), [[0, 0], [0.2, 0], [1, 0]])


@pytest.mark.parametrize("size", [(1, 3), (7, 2), (20_000, 9)])
def test_fit__equals_scikit_learn_to_the_bit(size: tuple[int, int]) -> None:
    raw = np.random.default_rng(0).gamma(2.0, 3.0, size=size) * 10.0 ** np.arange(-8, size[1] - 8)
    raw[:, 1] = 0.1
    standard, minmax = StandardScaler().fit(raw), MinMaxScaler().fit(raw)
    centre = np.where(raw.min(axis=0) == raw.max(axis=0), raw[0], standard.mean_)  # the mean of one number is rounded
    assert Scaling.fit(raw, "standard").equals(Scaling("standard", centre, standard.scale_))
    assert Scaling.fit(raw, "minmax").equals(Scaling("minmax", minmax.data_min_, 1 / minmax.scale_))


@pytest.mark.parametrize(("kind", "scaler"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())])
def test_fit__equals_scikit_learn(kind: str, scaler: StandardScaler | MinMaxScaler) -> None:
    raw = np.random.default_rng(0).gamma(2.0, 3.0, size=(200, 4))
    scaling = Scaling.fit(raw, kind)
    np.testing.assert_allclose(scaling.apply(raw), scaler.fit_transform(raw), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scaling.undo(scaling.apply(raw)), raw, rtol=1e-5, atol=1e-5)


def test_equals__compares_what_is_done_to_a_track() -> None:
    scaling = Scaling.fit(RAW, "standard")
    assert scaling.equals(Scaling("standard", scaling.centre.copy(), scaling.scale.copy()))
    assert not scaling.equals(Scaling.fit(RAW, "minmax"))


@pytest.mark.parametrize("raw", [[[np.nan]], [[np.inf]], [[1e300]], np.empty((0, 2))])
def test_fit__refuses_what_is_no_number(raw: object) -> None:
    with pytest.raises(CatalogueError, match="finite"):
        Scaling.fit(np.array(raw), "standard")


@pytest.mark.parametrize(
    ("centre", "scale"), [([0], [0]), ([0], [-1]), ([np.nan], [1]), ([0], [np.inf]), ([0, 0], [1]), ([[0]], [[1]])]
)
def test_scaling__refuses_what_cannot_be_undone(centre: list[float], scale: list[float]) -> None:
    with pytest.raises(CatalogueError, match="scal"):
        Scaling("standard", np.array(centre), np.array(scale))


def test_kind__unknown_is_named() -> None:
    with pytest.raises(CatalogueError, match="'robust' is not known"):
        Scaling.fit(RAW, "robust")
