"""Shared by all tests: where the real Fashion-MNIST is missing, tests that need it say so."""

import os

import pytest

import refnet

HOW_TO_GET_IT = (
    "needs the real Fashion-MNIST: apt-get install dataset-fashion-mnist, or set REFNET_DATA to a "
    "folder with its four files"
)


@pytest.fixture(scope="session")
def have_data() -> bool:
    try:
        refnet.FashionMNIST(train=False, download=False)
    except refnet.errors.MissingDataError:
        return False
    return True


@pytest.fixture(autouse=True)
def skip_without_data(request: pytest.FixtureRequest) -> None:
    """Skip a test marked ``data`` where there is none; fail it where REFNET_REQUIRE_DATA=1."""
    if request.node.get_closest_marker("data") and not request.getfixturevalue("have_data"):
        if os.environ.get("REFNET_REQUIRE_DATA") == "1":
            pytest.fail(HOW_TO_GET_IT)
        pytest.skip(HOW_TO_GET_IT)
