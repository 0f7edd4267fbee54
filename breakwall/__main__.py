"""`python -m breakwall` is the `breakwall` command."""

from breakwall.cli import main

main()
