"""What the tests of the agent API stand on: real servers on ports."""
