"""The embedded stack: every part on one machine, each a supervised child process."""
