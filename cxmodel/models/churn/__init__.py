"""Who will leave: predicted, judged out of sample, explained."""
