"""What an app serves: computations side by side, and one by one until all is loaded."""

import asyncio
import threading
import time


def at_once(service):
    """Compute two things, and tell how many were ever under way together."""
    under_way, most = 0, 0
    counting = threading.Lock()

    def task() -> None:
        nonlocal under_way, most
        with counting:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.2)
        with counting:
            under_way -= 1

    async def both() -> None:
        await asyncio.gather(service.work(task), service.work(task))

    asyncio.run(both())
    return most


def until_warm(service):
    """Wait until the service has loaded what it needs."""
    give_up = time.monotonic() + 60
    while service._cold and time.monotonic() < give_up:
        time.sleep(0.01)
    return not service._cold


def test_until_all_is_loaded_one_task_computes_at_a_time(served):
    """Two threads that import one library for the first time may break it."""
    served.service.warm_up(after_s=3600.0)

    assert at_once(served.service) == 1


def test_what_is_loaded_serves_side_by_side(served):
    """After the first forecast was made, the workers no longer wait for each other."""
    served.service.warm_up(after_s=0.0)

    assert until_warm(served.service)
    assert at_once(served.service) == 2


def test_prices_that_fail_leave_nobody_waiting(served, monkeypatch):
    """A start that cannot forecast says so, and the next one computes all the same."""
    said = []
    monkeypatch.setattr(threading, "excepthook", said.append)
    monkeypatch.setattr(served.service.desk, "serving", lambda: 1 / 0)

    served.service.warm_up(after_s=0.0)

    assert until_warm(served.service)
    assert at_once(served.service) == 2
    assert [one.exc_type for one in said] == [ZeroDivisionError]
