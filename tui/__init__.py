"""The application: command line, config, session (View -> Snapshot), screens and the report."""
