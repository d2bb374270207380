"""From lift and retention to money: customer lifetime value and programmes."""
