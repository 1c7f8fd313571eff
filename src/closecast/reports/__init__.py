"""Reports: what a run says, on one page that asks nothing of the outside world.

``story`` reads a run folder into plain values, ``figures`` draws them and
``report`` writes the page. Nothing here computes a score or a forecast.
"""
