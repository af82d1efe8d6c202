"""Live logs of a run in TensorBoard, trackio, Weights & Biases or MLflow."""
