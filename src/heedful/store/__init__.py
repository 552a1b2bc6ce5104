"""Store: everything the team knows, in one SQLite file. Values in, rows out; ids and times are made here."""
