"""How a worker obeys `breakwall queue pause`, `resume` and `rate`.

`reader` knows the state, `hold` holds an order back because of it, `rate` is this worker's share of the highest rate,
`released` works on released orders while the drain is paused. `runtime` connects them.
"""
