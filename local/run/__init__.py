"""`make run`: storage, a simulated tenant and the host on one machine, and incidents that they answer."""
