"""The machine: memory, processes, compiled code; knows nothing of networks."""
