"""``--on`` and ``--address``: where the tasks of a command are done."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from closecast.experiments.workers import Workers

PLACES = ("ray",)

On = Annotated[
    str | None,
    typer.Option("--on", help="Work on ray's workers; default: in this process."),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="A Ray cluster, HOST:PORT or auto; default: the cores of this machine."
    ),
]


@contextmanager
def workers_on(place: str | None, address: str | None) -> Iterator["Workers"]:
    """Open the workers that a command asks for.

    Args:
        place: What ``--on`` says.
        address: What ``--address`` says.

    Yields:
        The workers, until the block ends.

    Raises:
        SettingError: There is no such place, or an address of none.
    """
    from closecast.errors import SettingError
    from closecast.experiments.workers import IN_PROCESS
    from closecast.models.config import require_choice

    if place is None:
        if address is not None:
            raise SettingError(
                f"Expected --on ray with --address, got no --on ({address}). Give both."
            )
        yield IN_PROCESS
        return
    require_choice("--on", place, PLACES)
    from closecast.cluster.workers import RayWorkers

    with RayWorkers(address) as workers:
        yield workers
