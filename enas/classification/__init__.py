"""Image classification: the task that the micro and the macro space search networks for."""
