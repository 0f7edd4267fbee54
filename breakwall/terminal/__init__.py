"""What every command shares: options, and output as text or JSON: data on stdout, everything else on stderr.

Every module here may be imported, and none is slow to import.
"""
