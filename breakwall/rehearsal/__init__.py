"""`breakwall rehearse`: asks a sandbox what the payment service does, and compares that with what the settings say.

`route` makes the gateway, with a proxy of ours on its way; `sandbox` makes every call, and lists each charge; a module
for each topic asks its questions, which `questions` lists; `advice` has the settings to use. The command imports `run`.
It writes no order, and knows neither the database nor the circuit.
"""
