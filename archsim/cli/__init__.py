"""The command line: reads options and files, calls the floors below, prints. It computes nothing."""
