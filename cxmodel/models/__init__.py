"""What is learnt from observations: lift and its checks, churn, retention."""
