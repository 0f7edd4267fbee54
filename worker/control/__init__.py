"""How a worker obeys `breakwall queue pause`, `resume` and `rate`.

`reader` knows the state and gives the rate to the breaker, `hold` holds an order back because of a pause, `released`
works on released orders while the drain is paused. `runtime` connects them.
"""
