"""Ray: the tasks of an experiment on all cores of this machine, or of many."""
