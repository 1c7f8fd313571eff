"""Daily use: the ledger of forecasts, the job that fills it, and what shows it."""
