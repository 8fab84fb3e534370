"""Models from other tools' files as layer graphs."""
