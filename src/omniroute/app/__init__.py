"""The only place where objects meet: settings, wiring, processes and the command line."""
