"""One adapter per engine: from what it returns, or a file of it, to an EngineOutput."""
