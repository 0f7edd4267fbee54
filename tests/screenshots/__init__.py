"""Takes the pictures of the operator's page in `docs/img`: `make screenshots`. No test runs it."""
