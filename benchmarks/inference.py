"""What a forecast costs: 5,000 symbols in one call, and one window at a time.

The call is a whole process of `closecast forecast`, from a Parquet file to
forecast.csv. One window is timed in process, by the native engine and by ONNX Runtime
on the exported graph. Prints and writes JSON.

    python benchmarks/inference.py --symbols 50               # to try it
    python benchmarks/inference.py --out benchmarks/results/inference.json
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import publish

from closecast.engine.native import NativeEngine
from closecast.experiments.forecaster import Forecaster
from closecast.market.readers import to_frame
from closecast.testing import random_walk
from closecast.training.export import export_onnx
from closecast.windows import WindowData

BARS = 250


def whole_process(model: Path, symbols: int, folder: Path) -> dict[str, Any]:
    """Forecast every symbol of a file; give CPU, wall and peak memory."""
    to_frame(random_walk(symbols, BARS)).to_parquet(folder / "prices.parquet")
    command = [sys.executable, "-m", "closecast", "forecast", str(model)]
    command += ["prices.parquet", "--out", "forecast.csv"]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status:
        sys.exit("the forecast failed")
    return {
        "symbols": symbols,
        "bars_of_each": BARS,
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "wall_s": round(wall, 2),
        "rss_mb": round(usage.ru_maxrss / 1000),
        "file_mb": round((folder / "prices.parquet").stat().st_size / 1e6, 1),
    }


def microseconds(call: Callable[[], object], runs: int = 2000) -> float:
    """Give the median of many calls."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return round(float(np.median(times)) * 1e6, 1)


def one_window(forecaster: Forecaster, folder: Path) -> dict[str, float]:
    """Time one window by the engine and by ONNX Runtime, and say how far apart."""
    import onnxruntime

    bars, model = random_walk(1, BARS), forecaster.model
    data, row = WindowData.of(bars, forecaster.spec), np.array([BARS - 1])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = export_onnx(model, folder / "model.onnx")
    session = onnxruntime.InferenceSession(path, options)
    inputs = {"context": data.context(row), "scale": data.scale[row]}
    if data.state.shape[1]:
        inputs["state"] = data.state[row]
    inputs = {name: array.astype(np.float32) for name, array in inputs.items()}
    engine, network = NativeEngine(1), model.settings.network
    run = engine.prepare(data, network, model.weights)
    ours = run(row)
    theirs = session.run(["raw"], inputs)[0][0]
    return {
        "native_us": microseconds(lambda: run(row)),
        "native_unprepared_us": microseconds(
            lambda: engine.outputs(data, network, model.weights, row)
        ),
        "onnxruntime_us": microseconds(lambda: session.run(["raw"], inputs)),
        "greatest_difference": float(np.abs(ours - theirs).max()),
    }


def main() -> None:
    """Measure both and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--symbols", type=int, default=5000)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        forecaster = Forecaster(engine="native", epochs=1).fit(random_walk(2, 500))
        forecaster.save(folder / "model")
        result = {
            "load_before": load,
            "closecast forecast": whole_process(
                folder / "model", arguments.symbols, folder
            ),
            "one window": one_window(forecaster, folder),
        }
    publish(result, arguments.out)


if __name__ == "__main__":
    main()
