"""What the scenarios share: servers and programs as real processes, what is measured on them, rows and charts."""
