"""``python -m closecast`` is ``closecast``."""

from closecast.cli import main

main()
