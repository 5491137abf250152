"""The service as processes: settings, the start, the service itself, a worker."""
