"""`python -m erc_synth.cli` is the command `erc-synth`."""

from erc_synth.cli.main import main

if __name__ == "__main__":
    main()
