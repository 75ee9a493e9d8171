"""Low-rank methods that PEFT lacks: LoRA with starts computed from the base, projected LoRA, LoRA-XS."""
