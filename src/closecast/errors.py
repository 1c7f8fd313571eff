"""Every error that closecast raises on purpose.

* ClosecastError
    - BarsError          the market data breaks a rule (column, gap, duplicate, sign)
    - WindowError        a window cannot be cut as asked
    - SettingError       a setting is unknown or out of its range
    - TrainingError      a model cannot be trained, or its training diverged
    - ModelError         a stored model is missing, damaged or of another kind
    - StoreError         the store of prices is missing or damaged
        - StoreBusyError another process is writing into it
    - LedgerError        the ledger of forecasts cannot be used, or not so
        - LedgerAwayError its server does not answer for the moment
    - MissingExtraError  an optional library is needed and not installed
    - VendorError        a vendor of prices gave none
    - ClusterError       workers elsewhere cannot be reached, trusted or kept
    - LeakageError       a forecast could have seen its own answer
    - IntegrityError     a stored run is not what it says
    - LessonError        a lesson of the lab is not there, or its code failed

A message reads ``Expected <rule>, got <value> (<where>). <What to do>.``
"""


class ClosecastError(Exception):
    """Base of every error raised on purpose."""


class BarsError(ClosecastError, ValueError):
    """The market data breaks a rule."""


class WindowError(ClosecastError, ValueError):
    """A window cannot be cut as asked."""


class SettingError(ClosecastError, ValueError):
    """A setting is unknown or out of its range."""


class TrainingError(ClosecastError, RuntimeError):
    """A model cannot be trained, or its training diverged."""


class ModelError(ClosecastError, ValueError):
    """A stored model is missing, damaged or of another kind."""


class StoreError(ClosecastError, RuntimeError):
    """The store of prices is missing or damaged."""


class StoreBusyError(StoreError):
    """Another process is writing into the store."""


class LedgerError(ClosecastError, RuntimeError):
    """The ledger of forecasts cannot be used, or not so."""


class LedgerAwayError(LedgerError):
    """The ledger's server does not answer for the moment; another attempt may do."""


class MissingExtraError(ClosecastError, ImportError):
    """An optional library is needed and not installed."""


class VendorError(ClosecastError, RuntimeError):
    """A vendor of prices gave none."""


class ClusterError(ClosecastError, RuntimeError):
    """Workers elsewhere cannot be reached, trusted or kept."""


class LeakageError(ClosecastError, RuntimeError):
    """A forecast could have seen its own answer."""


class IntegrityError(ClosecastError, ValueError):
    """A stored run is not what it says."""


class DiskError(ClosecastError, OSError):
    """There is no room on the disk."""


class LessonError(ClosecastError, RuntimeError):
    """A lesson of the lab is not there, or its code failed."""


class ClosecastWarning(UserWarning):
    """Something was done to the data that its owner should know."""
