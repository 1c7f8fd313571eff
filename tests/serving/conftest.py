"""A small model on a shelf, prices to serve, and a PostgreSQL server of our own."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from closecast.experiments.forecaster import Forecaster
from closecast.market.bars import Bars
from closecast.market.sample import sample_bars
from closecast.serving.shelf import Shelf

SERVERS = Path("/usr/lib/postgresql")

BOARD = {
    "verdict": "No evidence of skill in the mean.",
    "why": ["Mean against zero: at 0 of 5 steps.", "One split, one seed."],
    "suspicious": False,
    "num_windows": 120,
    "split": {"test": {"first": "2012-01-03", "last": "2012-06-29", "windows": 120}},
    "leak_tests": {"truncation": {"passed": True, "detail": "0 of 600 moved"}},
    "rows": [
        {
            "model": "closecast",
            "horizon": step,
            "crps": 0.55,
            "rmse": 0.017,
            "coverage_80": 0.81,
            "coverage_95": 0.94,
            "skill_crps_vs": {"zero": 0.07, "ewma_t": -0.01},
        }
        for step in range(1, 6)
    ],
}
"""What a scoreboard says at least; the judge's own tests make whole ones."""


@pytest.fixture(scope="session")
def bars() -> Bars:
    """Give two stocks of the sample, some hundred bars each."""
    every = sample_bars()
    named = np.isin(np.asarray(every.symbols)[every.symbol_ids], ["AAPL", "IBM"])
    recent = every.dates >= np.datetime64("2011-06-01")
    return every.select(named & recent)


@pytest.fixture(scope="session")
def forecaster(bars: Bars) -> Forecaster:
    """Train as little as possible."""
    small = Forecaster(hidden_size=4, num_layers=1, epochs=1, batch_size=256)
    return small.fit(bars)


@pytest.fixture(scope="session")
def model_folder(forecaster: Forecaster, tmp_path_factory) -> Path:
    """Store the model alone."""
    folder = tmp_path_factory.mktemp("model")
    forecaster.save(folder)
    return folder


@pytest.fixture(scope="session")
def run_folder(forecaster: Forecaster, tmp_path_factory) -> Path:
    """Store a run: the model and its scoreboard."""
    folder = tmp_path_factory.mktemp("run")
    forecaster.save(folder / "model")
    (folder / "scoreboard.json").write_text(json.dumps(BOARD))
    return folder


@pytest.fixture
def shelf(run_folder: Path, tmp_path: Path) -> Shelf:
    """Put the run on a shelf and let it serve."""
    place = Shelf(tmp_path / "shelf")
    place.add(run_folder, reason="the first one")
    place.promote(1, reason="there is no other")
    return place


@pytest.fixture(scope="session")
def prices_file(bars: Bars, tmp_path_factory) -> Path:
    """Write the bars as a file that a server is given."""
    import pandas as pd

    path = tmp_path_factory.mktemp("prices") / "prices.csv"
    frame = pd.DataFrame(
        bars.values, columns=["open", "high", "low", "close", "volume"]
    )
    frame.insert(0, "date", bars.dates.astype(str))
    frame.insert(0, "symbol", np.asarray(bars.symbols)[bars.symbol_ids])
    frame.to_csv(path, index=False)
    return path


class Postgres:
    """A PostgreSQL server in a folder of its own, on a free port of this machine."""

    def __init__(self, initdb: Path, folder: Path) -> None:
        self.programs, self.folder = initdb.parent, folder
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self.port = free_port()
        shutil.chown(folder, self.user)
        self._do("initdb", "--username=closecast", "--auth=trust", "--no-sync")

    @property
    def url(self) -> str:
        """Where a ledger finds it."""
        return f"postgresql://closecast@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder} -F"
        log = str(self.folder / "log")
        self._do("pg_ctl", "--wait", "--log", log, "--options", options, "start")

    def stop(self) -> None:
        """Stop it as a machine that loses its power."""
        self._do("pg_ctl", "--wait", "--mode=immediate", "stop")

    def _do(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, "-D", self.folder / "data", *arguments],
            user=self.user if os.geteuid() == 0 else None,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=120,
        )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server that answers; who stops it starts it again."""
    programs = sorted(SERVERS.glob("*/bin/initdb"))
    if not programs:
        pytest.skip(f"no PostgreSQL server in {SERVERS}: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="closecast-pg-") as folder:
        server = Postgres(programs[-1], Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The database of the server, emptied."""
    url = postgres.url.replace("postgresql:", "postgresql+pg8000:")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            connection.execute(sa.text(statement))
    engine.dispose()
    return postgres.url


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
