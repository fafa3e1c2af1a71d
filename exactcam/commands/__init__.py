"""The subcommands of `exactcam`: each a module with HELP, configure(parser) and run(args)."""
