"""Steps from one version of the tables to the next, run by Alembic.

A ledger is brought to the newest version when it is opened for writing, inside one
transaction and under the writers' lock. A newer one than this code knows is refused.
"""

SCHEMA = "0003"
"""The newest version; the last file in ``versions`` has this revision."""
