"""What hunting and the opened package say, turned into findings that a report can show."""
