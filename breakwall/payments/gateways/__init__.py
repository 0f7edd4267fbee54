"""What a payment service answers, put into words that every gateway shares.

Import `Gateway`, its answers and its profile from here; imports nothing else of Breakwall.
"""
