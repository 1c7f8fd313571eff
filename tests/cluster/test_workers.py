"""Three nodes, one killed midway: nothing is lost, and the result is this machine's."""

import re

import pytest


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder for what the cluster tells and leaves."""
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def told(tell, home):
    """What happened on the cluster."""
    return tell("cluster", home, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="test" * 8)


def tree(folder):
    """Read every file of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.usefixtures("told")
def test_a_sweep_that_lost_a_node_leaves_the_same_bytes(home):
    """Every file of the run is the one that a single process writes."""
    alone = tree(home / "alone")
    assert tree(home / "cluster") == alone
    trained = sum(name.endswith("model.safetensors") for name in alone)
    assert 0 < trained < 12  # the others diverged, which is told as it is here


def test_the_lost_fleet_alone_is_trained_again(told):
    """One worker was lost with its node, and that is said: Ray has two names for it."""
    (note,) = told["sweep"]["notes"]

    assert re.fullmatch(
        r"A worker was lost \((NodeDied|ObjectReconstructionFailed)Error\); its task "
        r"is done again \(2 of 3\)\.",
        note,
    )


def test_each_result_comes_once(told):
    """Members are done one by one, up to all twelve and no further."""
    assert sorted(set(told["sweep"]["counts"])) == list(range(13))
    assert told["sweep"]["counts"] == sorted(told["sweep"]["counts"])


def test_progress_is_told_while_workers_train(told):
    """Epochs of the workers are reported before any member is done."""
    assert told["sweep"]["counts"].count(0) > 1


def test_data_are_put_into_the_store_once(told):
    """Four fleets or more, one copy."""
    assert told["sweep"]["puts"] == 1


def test_workers_read_the_stores_memory(told):
    """No worker holds a copy of the panel, each node has one core for it."""
    looks = told["looks"]
    assert len({one["node"] for one in looks}) == 3
    assert not any(one["copied"] for one in looks)
    assert {one["sum"] for one in looks} == {told["sum"]}
    assert {one["threads"] for one in looks} == {"1"}


def test_members_are_shared_out_evenly(told):
    """Three cores: of one member, of 12, of 48 and of 49, 16 a task at most."""
    assert told["sizes"] == [1, 4, 16, 9]


def test_an_error_of_the_data_arrives_as_what_it_is(told):
    """A worker's WindowError is a WindowError here, with its own words."""
    assert told["own error"] == {
        "kind": "WindowError",
        "text": "Expected more bars, got 7.",
        "notes": [],
    }


def test_a_task_that_loses_every_worker_is_given_up(told):
    """Three attempts, and then the loss is told."""
    assert told["deaths"] == 3
    assert told["lost thrice"]["kind"] == "ClusterError"
    assert "got 3 that were lost" in told["lost thrice"]["text"]


def test_a_walk_forward_is_the_same_on_a_cluster(told):
    """Each fold on a node, and the forecasts of all to the bit."""
    assert told["backtest"] is True


def test_a_node_of_another_version_is_refused(told):
    """A worker with another closecast says so and does nothing."""
    assert told["another version"]["kind"] == "ClusterError"
    assert "Expected closecast 0.0.1 on every node" in told["another version"]["text"]


def test_a_dead_cluster_is_told_soon(told):
    """No minute of silence: the head is gone, the command ends with a sentence."""
    assert told["dead"]["kind"] == "ClusterError"
    assert "Expected a cluster of Ray that answers" in told["dead"]["text"]
    assert told["dead"]["elapsed_s"] < 45


@pytest.mark.slow
def test_a_killed_command_goes_on_by_the_same_flags(tell, tmp_path):
    """``kill -9`` of ``closecast sweep --on ray --address``, and the command again."""
    told = tell("driver", tmp_path, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="test" * 8)

    assert told["exit"] == [0, 0]
    assert told["done before"] > 0
    assert not told["judged before"]
    assert tree(tmp_path / "run") == tree(tmp_path / "alone")
