"""What this machine has: interpreters, indexes, registered environments, the processes that use them."""
