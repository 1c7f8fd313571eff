"""Prices from vendors, each library in a process of its own.

Our process asks (``vendor``), waits with ``manners`` and ends what hangs (``process``).
The vendor's process (``child``) runs the one file that knows the vendor's library:
``yahoo``, ``naver``, ``krx`` or ``exchanges``. These files use the standard library
alone beside it. Nothing here repairs a price, and an empty answer is an error.
"""
