"""A panel on disk by three nodes, one killed midway: each shard once, the same bits."""

import re

import pytest


@pytest.fixture(scope="module")
def told(tell, tmp_path_factory):
    """What happened on the cluster."""
    home = tmp_path_factory.mktemp("shards")
    return tell(
        "shards",
        home,
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN="test" * 8,
        CLOSECAST_INDEX=str(home / "index.sqlite"),
    )


def test_the_forecast_is_the_one_of_a_single_process(told):
    """To the bit, by shards in this process and in memory at once."""
    assert told["same forecast"]
    assert told["same as in memory"]


def test_so_are_the_scores(told):
    """Every figure of every row."""
    assert told["same score"]


def test_each_shard_comes_once(told):
    """Six shards of two symbols, counted one by one."""
    assert told["done"] == [[number, 6] for number in range(1, 7)]


def test_a_lost_node_costs_its_shard_alone(told):
    """One shard is done again, and that is said."""
    (note,) = told["notes"]

    assert re.fullmatch(
        r"A worker was lost \(\w+Error\); its task is done again \(2 of 3\)\.", note
    )


def test_the_model_is_put_into_the_store_once(told):
    """With the names of the panel; its bars are mapped by the workers."""
    assert told["puts"] == 1


def test_a_worker_without_the_panel_says_so(told):
    """The path is named, and what to do."""
    assert told["no panel"]["kind"] == "BarsError"
    assert (
        "Expected the panel at the same path on every node" in told["no panel"]["text"]
    )
