"""Children that die with the process that started them. For the embedded broker, the demo and `up`."""
