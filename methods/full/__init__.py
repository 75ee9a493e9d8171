"""Methods that move whole tensors: full fine-tuning by AdamW or SGD, of all layers or some, and biases alone."""
