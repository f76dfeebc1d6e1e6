"""`python -m iskra`: the command line, for child processes that are started with the interpreter of their parent."""

from iskra.cli import main

if __name__ == "__main__":
    main()
