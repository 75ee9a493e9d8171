"""Methods that PEFT implements: the table of their rows, any other type by its name, and what PEFT leaves unproved."""
