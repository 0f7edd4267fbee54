"""What shops use instead, built from the packages as their guides show."""
