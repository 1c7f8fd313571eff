"""Training and running fleets: the same as alone, on any number of threads."""

import dataclasses
import os
import re
import signal
import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest

from closecast.engine.fleet import Engine, Member, OptimizerConfig
from closecast.engine.native import NativeEngine
from closecast.engine.native import engine as native_engine
from closecast.engine.native.engine import cores
from closecast.errors import SettingError, TrainingError
from closecast.models.config import NetworkConfig, initial_weights

TRAIN, VALIDATION = np.arange(9, 300), np.arange(300, 390)


def make_member(name="m", network=None, **settings):
    """Make a member of a small network."""
    return Member(
        name=name,
        network=NetworkConfig(**{"hidden_size": 12, "dropout": 0.2, **(network or {})}),
        optimizer=OptimizerConfig(**{"epochs": 3, "batch_size": 50, **settings}),
        train=TRAIN,
        validation=VALIDATION,
    )


def bits(trained):
    """Give all that a training gave, to the last bit."""
    weights = {name: array.tobytes() for name, array in trained.weights.items()}
    return weights, trained.curve


def torch_engine():
    """Give the reference."""
    pytest.importorskip("torch")
    from closecast.engine.torch import TorchEngine

    return TorchEngine()


def test_it_is_an_engine():
    """It has what all engines have."""
    engine = NativeEngine()

    assert isinstance(engine, Engine)
    assert engine.name == "native"


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_fleet_gives_what_each_member_gives_alone(panel, threads):
    """Bit for bit, and in the order of the members."""
    data = panel(10, 5)
    members = [
        make_member("a"),
        make_member("b", seed=3, learning_rate=0.01, optimizer="sgd", momentum=0.9),
        make_member("c", {"head": "point"}, optimizer="rmsprop", batch_size=7),
        make_member("d", {"num_layers": 1, "batch_norm": False}, batch_size=1),
        make_member("e", {"hidden_size": 31}, optimizer="adamw", weight_decay=0.1),
        make_member("f", {"head": "quantile"}, clip_norm=0.05, schedule="cosine"),
        make_member("g", loss="crps", schedule="one_cycle", batch_size=33),
    ]

    together = NativeEngine(threads=threads).train(data, members)

    alone = [NativeEngine(threads=1).train(data, [member])[0] for member in members]
    assert [t.member.name for t in together] == list("abcdefg")
    assert [bits(t) for t in together] == [bits(t) for t in alone]


@pytest.mark.parametrize("batch_size", [16, 50, 128, 291])
def test_threads_do_not_change_a_bit(panel, instruction_set, batch_size):
    """One, two and four threads in a model give the same weights and losses."""
    data, member = panel(10, 5), make_member(batch_size=batch_size)

    results = [
        bits(NativeEngine(threads, instruction_set).train(data, [member])[0])
        for threads in (1, 2, 4)
    ]

    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "learning_rate": 0.02, "momentum": 0.9},
        {"optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 0.01},
        {"optimizer": "rmsprop", "weight_decay": 0.01},
        {"optimizer": "adam", "weight_decay": 0.01},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"clip_norm": 0.05, "schedule": "cosine", "warmup": 0.1},
        {
            "optimizer": "sgd",
            "momentum": 0.9,
            "clip_norm": 0.1,
            "schedule": "one_cycle",
        },
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "step"},
        {"optimizer": "rmsprop", "loss": "crps", "clip_norm": 0.01},
    ],
)
def test_two_hundred_steps_follow_torch(panel, instruction_set, settings):
    """Each optimiser walks torch's path: losses, and weights where it ends."""
    data = panel(10, 5)
    network = {"dropout": 0.0, "hidden_size": 10, "batch_norm": False}
    member = make_member(
        network=network, batch_size=29, epochs=20, early_stopping=False, **settings
    )

    ours = NativeEngine(1, instruction_set).train(data, [member])[0]
    theirs = torch_engine().train(data, [member])[0]

    assert ours.curve.train_loss == pytest.approx(theirs.curve.train_loss, rel=1e-4)
    assert ours.curve.validation_loss == pytest.approx(
        theirs.curve.validation_loss, rel=1e-4
    )
    for name, expected in theirs.weights.items():
        distance = np.linalg.norm(ours.weights[name] - expected)
        assert distance < 1e-3 * np.linalg.norm(expected), name


def test_batch_norm_follows_torch(panel, instruction_set):
    """Losses of an epoch with running statistics, by both engines."""
    data = panel(10, 5)
    member = make_member(network={"dropout": 0.0}, epochs=4, early_stopping=False)

    ours = NativeEngine(1, instruction_set).train(data, [member])[0]
    theirs = torch_engine().train(data, [member])[0]

    assert ours.curve.train_loss == pytest.approx(theirs.curve.train_loss, rel=1e-4)
    assert ours.curve.validation_loss == pytest.approx(
        theirs.curve.validation_loss, rel=1e-4
    )


def test_early_stopping_keeps_the_best_epoch(panel):
    """The weights that come back have the least validation loss of the curve."""
    data = panel(10, 5)
    member = make_member(epochs=60, patience=2, learning_rate=0.03)

    trained = NativeEngine(1).train(data, [member])[0]

    curve = trained.curve.validation_loss
    assert len(curve) == trained.curve.best_epoch + 2 < 60
    assert min(curve) == curve[trained.curve.best_epoch - 1]
    again = dataclasses.replace(
        member,
        optimizer=dataclasses.replace(
            member.optimizer, epochs=trained.curve.best_epoch, early_stopping=False
        ),
    )
    last = NativeEngine(1).train(data, [again])[0]
    for name, array in last.weights.items():
        assert np.array_equal(array, trained.weights[name])


def test_dropout_changes_with_the_seed_and_the_epoch(panel):
    """A learning rate of almost nothing leaves only dropout to move the loss."""
    data = panel(10, 5)
    member = make_member(
        network={"dropout": 0.5}, learning_rate=1e-30, early_stopping=False
    )

    losses = NativeEngine(1).train(data, [member])[0].curve.train_loss

    assert len(set(losses)) == len(losses)


@pytest.mark.parametrize("head", ["point", "student_t", "quantile"])
@pytest.mark.parametrize("count", [0, 1, 15, 300])
def test_outputs_are_those_of_torch(case, instruction_set, head, count):
    """Within 1e-5, for no window, one and many."""
    many = case(head=head, batch=max(count, 1), state_size=2, dropout=0.3)
    rows = many.rows[:count]

    ours = NativeEngine(2, instruction_set).outputs(
        many.data, many.config, many.weights, rows
    )

    theirs = torch_engine().outputs(many.data, many.config, many.weights, rows)
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    assert np.allclose(ours, theirs, rtol=0, atol=1e-5)


def test_outputs_of_a_window_do_not_depend_on_the_others(case, instruction_set):
    """Alone or among others, in any order, on any number of threads: the same bits."""
    many = case(batch=200)
    engine = NativeEngine(1, instruction_set)
    order = np.random.default_rng(0).permutation(200)
    network = (many.data, many.config, many.weights)

    outputs = engine.outputs(*network, many.rows)

    shuffled = NativeEngine(2, instruction_set).outputs(*network, many.rows[order])
    assert np.array_equal(outputs[order], shuffled)
    assert np.array_equal(outputs[3:4], engine.outputs(*network, many.rows[3:4]))


def test_unknown_volumes_are_zero(case, instruction_set):
    """A volume that is not known yet reads as no change, as in torch."""
    known = case(batch=20)
    logs = known.data.logs.copy()
    logs[:200, 4] = np.nan
    data = dataclasses.replace(known.data, logs=logs)

    ours = NativeEngine(1, instruction_set).outputs(
        data, known.config, known.weights, known.rows
    )

    theirs = torch_engine().outputs(data, known.config, known.weights, known.rows)
    assert np.isfinite(ours).all()
    assert np.allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_member_that_diverges_is_retired_alone(panel, threads):
    """It is named with its step and settings; the others train as if alone."""
    data, calm = panel(10, 5), make_member("calm")
    wild = make_member("wild", {"head": "point"}, optimizer="sgd", learning_rate=1000.0)

    first, lost, last = NativeEngine(threads).train(data, [calm, wild, calm])

    assert isinstance(lost, TrainingError)
    assert re.match(
        r"Expected finite losses, got \S+ \(member wild, epoch \d, step \d, "
        r"optimizer=sgd, learning_rate=1000, .*Lower learning_rate",
        str(lost),
    )
    (alone,) = NativeEngine(1).train(data, [calm])
    assert bits(first) == bits(last) == bits(alone)


def test_progress_is_reported_once_for_each_epoch(panel):
    """Every epoch of every member, each with its losses, from the caller's thread."""
    seen = []

    trained = NativeEngine(2).train(
        panel(10, 5), [make_member("a"), make_member("b")], seen.append
    )

    assert sorted((p.number, p.member, p.epoch) for p in seen) == [
        (number, name, epoch)
        for number, name in ((1, "a"), (2, "b"))
        for epoch in (1, 2, 3)
    ]
    for one in trained:
        mine = [p for p in seen if p.member == one.member.name]
        assert tuple(p.train_loss for p in mine) == one.curve.train_loss
        assert tuple(p.validation_loss for p in mine) == one.curve.validation_loss
        assert {(p.members, p.epochs) for p in mine} == {(2, 3)}


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_interrupt_ends_the_training(panel, threads):
    """Ctrl-C between epochs leaves no thread at work."""

    def interrupt(_):
        raise KeyboardInterrupt

    members = [make_member(str(i), epochs=1_000_000) for i in range(3)]

    with pytest.raises(KeyboardInterrupt):
        NativeEngine(threads).train(panel(10, 5), members, interrupt)


def interrupt_the_process():
    """Send Ctrl-C as a terminal does."""
    os.kill(os.getpid(), signal.SIGINT)


def interrupt_this_thread():
    """Send Ctrl-C to a thread that is not the main one, as a system may choose."""
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)


@pytest.fixture
def ctrl_c_is_heard():
    """Let SIGINT raise, also where a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
@pytest.mark.parametrize("interrupt", [interrupt_the_process, interrupt_this_thread])
def test_ctrl_c_ends_an_epoch_that_is_under_way(panel, interrupt):
    """Nobody waits for the rest of a long epoch, whichever thread is told."""
    rows = np.resize(TRAIN, 2_000_000)
    member = dataclasses.replace(
        make_member(network={"hidden_size": 64}, batch_size=64), train=rows
    )
    timer = threading.Timer(0.3, interrupt)
    start = time.perf_counter()
    timer.start()

    with pytest.raises(KeyboardInterrupt):
        NativeEngine(2).train(panel(10, 5), [member])

    assert time.perf_counter() - start < 5


def test_ctrl_c_while_members_are_handed_out_stops_them(panel, monkeypatch):
    """An interrupt before the first report leaves no thread training on."""
    members = [make_member("long", epochs=1_000_000, patience=1_000_000)]

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Future, "add_done_callback", interrupted)
    with pytest.raises(KeyboardInterrupt):
        NativeEngine(2).train(panel(10, 5), members)


def test_a_member_that_begins_while_others_are_stopped_stops_too(panel, monkeypatch):
    """Its weights are drawn while the interrupt goes round: it trains no epoch."""
    told = threading.Event()
    stop = native_engine._Fleet._stop

    def stop_and_tell(fleet):
        stop(fleet)
        told.set()

    def drawn_late(config, seed):
        assert told.wait(60)
        return initial_weights(config, seed)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(native_engine._Fleet, "_stop", stop_and_tell)
    monkeypatch.setattr(native_engine, "initial_weights", drawn_late)
    monkeypatch.setattr(Future, "add_done_callback", interrupted)
    with pytest.raises(KeyboardInterrupt):
        NativeEngine(1).train(
            panel(10, 5), [make_member(epochs=1_000_000, patience=1_000_000)]
        )


def test_one_failure_ends_the_others(panel, monkeypatch):
    """What is no divergence comes at once, not when the longest member is done."""
    long = make_member("long", epochs=1_000_000, patience=1_000_000)

    def broken(config, seed):
        if seed == 5:
            raise OSError("no more entropy")
        return initial_weights(config, seed)

    monkeypatch.setattr(native_engine, "initial_weights", broken)
    with pytest.raises(OSError, match=r"no more entropy"):
        NativeEngine(2).train(panel(10, 5), [long, make_member("ill", seed=5)])


def test_a_training_larger_than_the_memory_is_refused(panel):
    """The message says what it would need, before any training."""
    member = make_member("huge", {"hidden_size": 4096, "num_layers": 64})

    with pytest.raises(
        SettingError, match=r"fits in the memory.*needs \d+\.\d GB \(member huge"
    ):
        NativeEngine(1).train(panel(10, 5), [member])


def test_an_empty_fleet_is_nothing_to_do(panel):
    """No member, no result."""
    assert NativeEngine(2).train(panel(10, 5), []) == []


@pytest.mark.parametrize(
    ("field", "rows"), [("train", [8, 20]), ("validation", [20, 395])]
)
def test_windows_outside_the_panel_are_refused(panel, field, rows):
    """No kernel reads beyond the tables."""
    member = dataclasses.replace(make_member(), **{field: np.array(rows)})

    with pytest.raises(SettingError, match=r"windows inside the panel.*9 to 394"):
        NativeEngine(1).train(panel(10, 5), [member])


def test_outputs_outside_the_panel_are_refused(panel):
    """A forecast may end at the last row, not after it."""
    data, config = panel(10, 5), NetworkConfig()
    weights, engine = initial_weights(config, 0), NativeEngine(1)

    assert engine.outputs(data, config, weights, np.array([399])).shape == (1, 5, 3)
    with pytest.raises(SettingError, match=r"cutoffs from 9 to 399, got 400 to 400"):
        engine.outputs(data, config, weights, np.array([400]))


def test_a_network_of_another_shape_is_refused(panel):
    """The network must read what the data has."""
    config = NetworkConfig(horizon=3)

    with pytest.raises(SettingError, match=r"input_size, state_size, horizon"):
        NativeEngine(1).outputs(
            panel(10, 5), config, initial_weights(config, 0), np.array([20])
        )


def test_threads_are_a_whole_number():
    """No engine has no thread."""
    with pytest.raises(SettingError, match=r"threads.*1 to 1024, got 0"):
        NativeEngine(0)


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17])
@pytest.mark.parametrize(
    "network",
    [
        {},
        {"hidden_size": 1, "num_layers": 1, "batch_norm": False},
        {"hidden_size": 37, "num_layers": 3, "head": "quantile", "state_size": 2},
        {"hidden_size": 130, "horizon": 20, "input_size": 9},
    ],
)
def test_a_few_windows_give_the_bits_of_many(case, instruction_set, network, count):
    """One by one with units in the lanes, or in tiles: the same sums in one order."""
    many = case(batch=40, **network)
    engine = NativeEngine(1, instruction_set)
    run = engine.prepare(many.data, many.config, many.weights)

    together = engine.outputs(many.data, many.config, many.weights, many.rows)

    assert np.array_equal(run(many.rows[:count]), together[:count])
    assert np.array_equal(run(many.rows[-count:]), together[-count:])


def test_a_prepared_network_keeps_its_weights(case):
    """What is done to the arrays afterwards does not matter."""
    one = case(batch=5)
    weights = {name: array.copy() for name, array in one.weights.items()}
    run = NativeEngine(2).prepare(one.data, one.config, weights)
    before = run(one.rows)
    for array in weights.values():
        array[:] = 0

    assert np.array_equal(run(one.rows), before)
    with pytest.raises(SettingError, match=r"windows inside the panel"):
        run(np.array([400]))


@pytest.mark.parametrize(
    ("limit", "found"),
    [("1", 1), ("2,4", 2), ("64", 3), ("0", 3), ("x", 3), ("", 3)],
)
def test_cores_are_those_of_the_process_within_the_limit(monkeypatch, limit, found):
    """OMP_NUM_THREADS lowers their number and never raises it."""
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)

    assert cores() == found


@pytest.mark.parametrize(("counted", "found"), [(5, 5), (None, 1)])
def test_cores_are_those_of_the_machine_where_a_process_has_none_of_its_own(
    monkeypatch, counted, found
):
    """macOS and Windows do not bind a process."""
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)

    assert cores() == found
