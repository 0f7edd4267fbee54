"""The tea shop's one app: `models` are its orders, `views` its pages and the webhook."""
