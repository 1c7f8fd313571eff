"""Windows: the only door to the past. Nothing else cuts a series in time."""

from closecast.windows.index import cutoffs_with_context as cutoffs_with_context
from closecast.windows.index import cutoffs_with_targets as cutoffs_with_targets
from closecast.windows.index import last_cutoffs as last_cutoffs
from closecast.windows.scaling import WindowData as WindowData
from closecast.windows.spec import WindowSpec as WindowSpec
from closecast.windows.split import Split as Split
from closecast.windows.split import split_by_date as split_by_date
from closecast.windows.walk_forward import Fold as Fold
from closecast.windows.walk_forward import walk_back as walk_back
from closecast.windows.walk_forward import walk_forward as walk_forward
