"""The report of an incident: what was found and what was done, as one page that people read in the morning."""
