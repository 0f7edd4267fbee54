"""What people do on the page: each action has a page of its own, with a form that needs no JavaScript.

`action_routes.add_action` adds one.
"""
