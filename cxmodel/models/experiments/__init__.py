"""What was moved as if by lot: randomised arms, instruments, programmes rolled out in turn."""
